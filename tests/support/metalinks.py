"""Metalink documents, as distributions and mirror managers write them."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

NAMESPACE = "urn:ietf:params:xml:ns:metalink"

MD5 = "5d41402abc4b2a76b9719d911017c592"
SHA1 = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

VERSION_4 = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- as in RFC 5854, with more in it -->
<metalink xmlns="{NAMESPACE}">
  <generator>a mirror manager</generator>
  <published>2026-05-15T12:23:23Z</published>
  <file name="pool/example.iso">
    <identity>Example</identity>
    <description>A &amp; B</description>
    <size>5</size>
    <hash type="md5">{MD5}</hash>
    <hash type="sha-256">
      {SHA256.upper()}
    </hash>
    <hash type="sha-1">{SHA1}</hash>
    <hash type="whirlpool">00</hash>
    <pieces length="3" type="sha-1">
      <hash>{"a" * 40}</hash>
      <hash>{"b" * 40}</hash>
    </pieces>
    <pieces length="2" type="md5"><hash>{"1" * 32}</hash><hash>{"2" * 32}</hash>
      <hash>{"3" * 32}</hash></pieces>
    <signature mediatype="application/pgp-signature">-----BEGIN PGP SIGNATURE-----</signature>
    <metaurl mediatype="torrent" priority="1">http://one.example/example.torrent</metaurl>
    <url location="us" priority="20">http://us.example/example.iso</url>
    <url location="DE" priority="10">https://de.example/example.iso</url>
    <url>http://last.example/example.iso</url>
    <url location="fr" priority="10">http://fr.example/a?b=1&amp;c=2</url>
    <url priority="1">ftp://ftp.example/example.iso</url>
  </file>
  <file name="notes.txt">
    <url>http://one.example/notes.txt</url>
  </file>
</metalink>
""".encode()

VERSION_3 = f"""<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic"
  pubdate="Mon, 15 May 2026 12:23:23 GMT" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <mm0:timestamp>1778847803</mm0:timestamp>
   <size>5</size>
   <verification>
    <hash type="md5">{MD5}</hash>
    <hash type="sha256">{SHA256}</hash>
    <pieces type="sha1" length="3">
     <hash piece="0">{"a" * 40}</hash>
     <hash piece="1">{"b" * 40}</hash>
    </pieces>
    <signature type="pgp" file="repomd.xml.asc">none</signature>
   </verification>
   <mm0:alternates>
    <mm0:alternate>
     <mm0:timestamp>1778761403</mm0:timestamp>
     <size>4</size>
     <verification><hash type="sha256">{"0" * 64}</hash></verification>
    </mm0:alternate>
   </mm0:alternates>
   <resources maxconnections="1">
    <url protocol="https" type="https" location="US" preference="100">https://us.example/r</url>
    <url protocol="rsync" type="rsync" location="US" preference="100">rsync://us.example/r</url>
    <url protocol="http" type="http" location="de" preference="99">http://de.example/r</url>
    <url type="bittorrent" preference="100">http://us.example/r.torrent</url>
    <url type="http">http://last.example/r</url>
    <url type="http" preference="0">http://next.example/r</url>
   </resources>
  </file>
 </files>
</metalink>
""".encode()


def meta4(*files: str) -> bytes:
    """A document of version 4; a line for each file, from the second on."""
    return "\n".join([f'<metalink xmlns="{NAMESPACE}">', *files, "</metalink>"]).encode()


def one_file(name: str, *urls: str, inside: str = "") -> str:
    """A `file` element, with more `inside`."""
    listed = "".join(f"<url>{escape(url)}</url>" for url in urls)
    return f"<file name={quoteattr(name)}>{inside}{listed}</file>"
