// What a program does with npm's `aria2`. Arguments: a port, the token, a URL that never answers,
// and one of a file. Writes what came of each step, as one line of JSON.
"use strict";

const Aria2 = require("aria2");

const NOTIFICATIONS = ["onDownloadStart", "onDownloadPause", "onDownloadStop", "onDownloadComplete"];

async function main([port, secret, slow, fast]) {
  const found = {};
  const aria2 = new Aria2({ host: "127.0.0.1", port, secret });
  const first = await aria2.call("addUri", [slow], { pause: "true" });
  found.waiting = (await aria2.call("tellWaiting", 0, 10)).map(({ gid, status }) => [gid, status]);
  await aria2.call("remove", first);
  found.refused = await aria2.call("tellStatus", "f".repeat(16)).catch((error) => error.message);

  await aria2.open();
  found.heard = [];
  const hearing = new Map();
  for (const name of NOTIFICATIONS) {
    aria2.on(name, ([{ gid }]) => {
      found.heard.push([name, gid]);
      hearing.get(name)?.();
    });
  }
  const heard = (name) => new Promise((resolve) => hearing.set(name, resolve));

  let event = heard("onDownloadStart");
  const gid = await aria2.call("addUri", [slow], { out: "slow" });
  await event;
  found.active = (await aria2.call("tellActive", ["gid", "status"]))[0];
  event = heard("onDownloadPause");
  await aria2.call("pause", gid);
  await event;
  found.paused = (await aria2.call("tellStatus", gid)).status;
  event = heard("onDownloadStart");
  await aria2.call("unpause", gid);
  await event;
  event = heard("onDownloadStop");
  await aria2.call("remove", gid);
  await event;

  event = heard("onDownloadComplete");
  const [[added]] = await aria2.multicall([["addUri", [fast], { out: "fast" }]]);
  await event;
  const calls = await aria2.batch([["tellStatus", added, ["status", "totalLength"]], ["getGlobalStat"]]);
  [found.complete, { numStopped: found.stopped }] = await Promise.all(calls);
  await aria2.close();
  console.log(JSON.stringify({ ...found, gids: [first, gid, added] }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
