"""Twisted's own cases for agents, run over ours.

They are taken from the installed `twisted.web.test.test_agent`, by name. A case that is left out
says why in LEFT_OUT; one that a later Twisted adds is in neither table and fails, so that somebody
decides. These classes are left out as a whole, since no agent of ours takes part in them:
FileBodyProducerTests, HTTPConnectionPoolTests, HTTPConnectionPoolRetryTests (Twisted's pool),
WebClientContextFactoryTests, HostnameCachingHTTPSPolicyTests (its TLS policies), ReadBodyTests (a
function, over a response of the test's), CookieJarTests, ProxyAgentTests (Twisted's proxy agent),
the four Request...InjectionTests (Twisted's Request), and ContentDecoderAgentWithGzipTests (it
feeds the body through private methods of Twisted's Response).
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from support import theirs as ours
from twisted.web.test import test_agent as theirs

# The certificates of the cases over TLS are made by Twisted's own helper.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

INTEGRATION = [
    "test_integrationTestIPv4",
    "test_integrationTestIPv4Address",
    "test_integrationTestIPv6",
    "test_integrationTestIPv6Address",
]
METHODS = [
    "test_methodWithCLRFRejected",
    "test_methodWithNonASCIIRejected",
    "test_methodWithUnprintableASCIIRejected",
]
URIS = [
    "test_hostWithCRLFRejected",
    "test_hostWithNonASCIIRejected",
    "test_hostWithWithUnprintableASCIIRejected",
    "test_pathWithCRLFRejected",
    "test_pathWithNonASCIIRejected",
    "test_pathWithWithUnprintableASCIIRejected",
]
WIRED = ["test_hostIPv6Bracketed", "test_hostProvided", "test_headersUnmodified"]
COOKIES = [
    "test_emptyCookieJarRequest",
    "test_leaveExistingCookieHeader",
    "test_portCookie",
    "test_portCookieOnWrongPort",
    "test_requestWithCookie",
    "test_secureCookieOnInsecureConnection",
]
CODINGS = ["test_acceptHeaders", "test_existingHeaders"]
REDIRECTS = [
    "test_interface",
    "test_redirect301",
    "test_redirect302",
    "test_redirect303",
    "test_redirect307",
    "test_redirect308",
    "test_relativeURI",
    "test_relativeURISchemeRelative",
]

_OWN = "it looks at, or makes, an object of Twisted's agent and nothing of an IAgent"
_PRIVATE = "it calls a private method; test_url.py has the same of our URL"
_RETURNED = "there is no Location, and ours returns such a response: its caller judges it"
_STRICT = "ours keeps no header across origins that is not known to be public"
LEFT_OUT = {
    "AgentTests": {
        **dict.fromkeys(
            ["test_defaultPool", "test_persistent", "test_nonPersistent", "test_endpointFactory",
             "test_connectUsesConnectionPool", "test_endpointFactoryDefaultPool",
             "test_endpointFactoryPool", "test_requestMissingAbsoluteURI"], _OWN,
        ),
        **dict.fromkeys(
            ["test_connectHTTP", "test_nonDecodableURI", "test_hostValueStandardHTTP",
             "test_hostValueNonStandardHTTP", "test_hostValueStandardHTTPS",
             "test_hostValueNonStandardHTTPS"], _PRIVATE,
        ),
        **dict.fromkeys(
            ["test_connectTimeout", "test_connectTimeoutHTTPS", "test_bindAddress",
             "test_bindAddressSSL"], "it makes a Twisted agent and looks at its endpoint's options",
        ),
        "test_nonBytesMethod": "ours fails its Deferred with WrongRequest, as for any bad method",
        "test_unsupportedScheme": "the error is BadUrl, as for any URL that cannot be fetched",
        "test_hostOverride": "Host is the agent's own, as all headers that route or frame",
        "test_request": "its body is no IBodyProducer",
        "test_responseIncludesRequest": "it answers with a response that was on no wire",
        "test_requestAbsoluteURI": "a fragment is no part of a request",
    },
    "AgentHTTPSTests": dict.fromkeys(
        ["test_endpointType", "test_hostArgumentIsRespected", "test_portArgumentIsRespected",
         "test_connectHTTPSCustomConnectionCreator", "test_deprecatedDuckPolicy",
         "test_alternateTrustRoot"], _OWN,
    ),
    "CookieAgentTests": {
        "test_interface": "it is CookieAgent's",
        "test_secureCookie": "over TLS there is nothing to read on the wire",
    },
    "ContentDecoderAgentTests": {
        "test_interface": "it is ContentDecoderAgent's",
        **dict.fromkeys(
            ["test_plainEncodingResponse", "test_unsupportedEncoding", "test_unknownEncoding"],
            "it wants the very response object that it answered with",
        ),
    },
    "RedirectAgentTests": {
        **dict.fromkeys(
            ["test_noLocationField", "test_301OnPost", "test_302OnPost", "test_307OnPost"],
            _RETURNED,
        ),
        **dict.fromkeys(
            ["test_crossDomainHeaders", "test_crossPortHeaders", "test_crossSchemeHeaders"],
            _STRICT,
        ),
        "test_redirect301Scheme": "it goes from https to http, which ours refuses",
        "test_noRedirect": "it wants the very response object that it answered with",
        **dict.fromkeys(["test_redirectLimit", "test_responseHistory"], _OWN),
        "test_relativeURIPreserveFragments": "a fragment is no part of a request",
    },
    "BrowserLikeRedirectAgentTests": {},
}  # fmt: skip
RUN = {
    "AgentTests": ["test_interface", "test_connectionFailed", *WIRED, *INTEGRATION],
    "AgentHTTPSTests": INTEGRATION,
    "AgentMethodInjectionTests": METHODS,
    "AgentURIInjectionTests": URIS,
    "CookieAgentTests": COOKIES,
    "ContentDecoderAgentTests": CODINGS,
    "RedirectAgentTests": REDIRECTS,
    "BrowserLikeRedirectAgentTests": ["test_redirectToGet301", "test_redirectToGet302"],
}


def base_of(group: str, name: str) -> Any:
    """The class of ours that stands for Twisted's `group` when it runs `name`."""
    if name in INTEGRATION:
        return ours.TlsIntegration if group == "AgentHTTPSTests" else ours.Integration
    if group in ("AgentMethodInjectionTests", "AgentURIInjectionTests"):
        return ours.InjectionCases
    if "Redirect" in group:
        return ours.RedirectCases
    return ours.Cases if name in ("test_interface", "test_connectionFailed") else ours.WiredCases


@pytest.mark.parametrize(
    "group, name", [(group, name) for group, names in RUN.items() for name in names]
)
def test_case(group: str, name: str) -> None:
    """Twisted's docstring says what must hold."""
    mixin = theirs._RedirectAgentTestsMixin if "Redirect" in group else theirs.CookieTestsMixin
    ours.run(base_of(group, name), getattr(getattr(theirs, group), name), mixin)


@pytest.mark.parametrize("group", RUN)
def test_every_case_is_run_or_left_out_for_a_reason(group: str) -> None:
    """None is forgotten, and none is in both tables."""
    cases = inspect.getmembers(getattr(theirs, group), inspect.isfunction)
    names = {name for name, _ in cases if name.startswith("test_")}
    left_out = LEFT_OUT.get(group, {})
    if group == "BrowserLikeRedirectAgentTests":
        names -= set(dir(theirs.RedirectAgentTests))  # those are run once
    assert names == {*RUN[group], *left_out}
    assert len(RUN[group]) + len(left_out) == len(names)


def test_a_case_that_fails_is_seen() -> None:
    """Otherwise none of the others would say anything."""
    with pytest.raises(AssertionError):
        ours.run(ours.WiredCases, theirs.AgentTests.test_hostOverride)
