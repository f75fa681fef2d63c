"use strict";

// Polls status.json and writes its content into the page, always as text.

const PERIOD = 2000; // milliseconds between polls
const TIMEOUT = 5000; // milliseconds for one response
const CURVE = 60; // rates in a curve
const PROCESSES = 64; // processes that are remembered, the last ones to answer
const LIMIT = 24; // clients that are fetched and shown at once
const FEW = 5; // fetches that are shown at first

const LEVELS = { bad: "Not ready", warn: "Warning", idle: "Idle", good: "Ready" }; // worst first
const COUNTS = [
  ["Tokens for callers", "acquisitions", { cooling_down: "cooling down" }],
  ["Re-authentications", "reauthentications", { rejected: "rejected again", token_unavailable: "no new token", unchanged: "same token again", body_not_replayable: "body not replayable", budget: "4xx budget", not_attempted: "not attempted (403 without a code)" }],
  ["Responses", "responses", {}],
  ["Blocked", "blocked", { plain_http: "plain HTTP", unsupported_protocol: "unsupported protocol", foreign_origin: "foreign origin", caller_authorization: "caller's Authorization", cooling_down: "cooling down", budget: "4xx budget" }],
];

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("sv", { dateStyle: "short" }); // 2025-06-15
const grouped = new Intl.NumberFormat("en");
const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);

const processes = new Map(); // last status of each process, and the rates of its clients
const cards = new Map(); // the section of each client
let latest = null; // time of the last response
let paused = false;
let timer = 0;
let offset = 0; // clients before the first one that is shown
let turn = 0; // number of the last request, since only its response counts

// Words

function lasting(seconds) {
  let left = Math.round(Math.abs(seconds));
  const parts = [];
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (left >= size) parts.push(`${Math.floor(left / size)} ${unit}`);
    left %= size;
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

function taking(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

// Helpers

function put(element, text) {
  if (element.textContent !== text) element.textContent = text; // unchanged text must not be announced again
}

function make(tag, text, name) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function fill(gauge, figure, aside, part, words, max, now) {
  const bar = gauge.querySelector(".bar");
  put(gauge.querySelector(".figure"), figure);
  gauge.querySelector(".figure").classList.toggle("none", figure === "none");
  put(gauge.querySelector(".aside"), aside);
  bar.hidden = part === null;
  if (part === null) return;
  bar.setAttribute("aria-valuemax", max);
  bar.setAttribute("aria-valuenow", Math.min(Math.max(now, 0), max));
  bar.setAttribute("aria-valuetext", words);
  bar.firstElementChild.style.width = `${Math.min(Math.max(part, 0), 1) * 100}%`;
}

// The parts of a client's section

function showLife(card, token) {
  const gauge = card.querySelector(".life");
  const pause = token.cooldown_seconds === null ? "" : `Next fetch in ${lasting(token.cooldown_seconds)}`;
  const fixed = { static: "static token", none: "no token" }[token.provider];
  if (fixed) return fill(gauge, fixed, "", null);
  if (token.expires_in === null) return fill(gauge, "none", pause, null);
  if (token.expires_in <= 0) return fill(gauge, "expired", pause || `${lasting(token.expires_in)} ago`, 0, "expired", token.lifetime ?? 1, 0);
  const whole = token.lifetime ?? token.expires_in;
  const words = `${lasting(token.expires_in)} of ${lasting(whole)}`;
  gauge.dataset.level = token.expires_in / whole > 0.1 ? "good" : "warn";
  fill(gauge, lasting(token.expires_in), pause || `of ${lasting(whole)}`, token.expires_in / whole, words, whole, token.expires_in);
}

function showBudget(card, errors) {
  const gauge = card.querySelector(".budget");
  const [used, limit] = [errors.last_minute, errors.limit];
  if (limit === null) return fill(gauge, `${used}`, "No limit set", null);
  gauge.dataset.level = used >= limit ? "bad" : used >= 0.8 * limit ? "warn" : "good";
  fill(gauge, `${used} of ${limit}`, `${Math.max(limit - used, 0)} left`, used / limit, `${used} of ${limit}`, limit, used);
}

function showRate(card, client, rates) {
  const gauge = card.querySelector(".rate");
  const known = rates.length > 0;
  put(gauge.querySelector(".figure"), known ? rates.at(-1).toFixed(1) : "…");
  const waiting = client.waiting ? `, ${client.waiting} waiting for a token` : "";
  const total = sum(client.responses);
  put(gauge.querySelector(".aside"), `${grouped.format(total)} ${total === 1 ? "response" : "responses"} in total${waiting}`);
  const top = Math.max(1, ...rates);
  const left = 2 * (CURVE - rates.length);
  const line = `M${left} 23${rates.map((rate, at) => `L${left + 2 * (at + 1)} ${(23 - (22 * rate) / top).toFixed(1)}`).join("")}`;
  gauge.querySelector(".line").setAttribute("d", line);
  gauge.querySelector(".area").setAttribute("d", `${line}V23Z`);
}

function storeCounts(store) {
  if (!store) return [];
  const answers = { true: "reachable", false: "unreachable", null: "not used yet" };
  const counted = [[store.hits, "hits"], [store.published, "published"], [store.fallbacks, "fallbacks"], [store.failures, "failures"]];
  return [[store.kind, answers[store.reachable]], ...counted.filter(([number]) => number > 0).map(([number, word]) => [grouped.format(number), word])];
}

function accountCounts(accounts) {
  const levels = Object.keys(LEVELS).map((level) => [accounts.filter((account) => account.condition.level === level), LEVELS[level].toLowerCase()]);
  return levels.filter(([found]) => found.length).map(([found, word]) => {
    const names = ["not ready", "warning"].includes(word) ? ` (${found.slice(0, FEW).map((account) => account.name).join(", ")}${found.length > FEW ? ", …" : ""})` : "";
    return [grouped.format(found.length), word + names];
  });
}

function showCounts(card, client) {
  const rows = COUNTS.map(([title, key, words]) => {
    const counted = Object.entries(client[key]).filter(([, number]) => number > 0);
    return [title, counted.map(([name, number]) => [grouped.format(number), words[name] ?? (key === "responses" ? `× ${name}` : name)])];
  }).concat([["Shared store", storeCounts(client.store)], ["Accounts", accountCounts(client.accounts)]]).filter(([, counted]) => counted.length);
  card.querySelector(".counts").hidden = !rows.length;
  redraw(card.querySelector(".counts"), rows, () => rows.map(([title, counted]) => {
    const row = document.createElement("div");
    const value = document.createElement("dd");
    counted.forEach(([number, word], at) => value.append(at ? ", " : "", make("b", number), ` ${word}`));
    row.append(make("dt", title), value);
    return row;
  }));
}

function showFetches(card, fetches, at) {
  const more = card.querySelector(".more");
  const shown = more.getAttribute("aria-expanded") === "true" ? fetches : fetches.slice(0, FEW);
  card.querySelector("table").hidden = !fetches.length;
  more.hidden = fetches.length <= FEW;
  put(more, shown.length < fetches.length ? `Show all ${fetches.length} fetches` : "Show fewer fetches");
  redraw(card.querySelector("tbody"), shown, () => shown.map(fetchRow));
  card.querySelectorAll(".ago").forEach((ago, row) => put(ago, `${lasting(at - shown[row].at)} ago`));
}

function fetchRow(fetched) {
  const row = document.createElement("tr");
  const ended = document.createElement("td");
  const when = new Date(fetched.at * 1000);
  const time = make("time", clock.format(when));
  time.dateTime = when.toISOString();
  ended.append(time, " ", make("small", "", "ago"));
  const outcome = make("td", "", "outcome");
  outcome.append(make("span", fetched.outcome, fetched.outcome === "ok" ? "" : "failed"));
  const notes = [fetched.attempts > 1 ? `${fetched.attempts} attempts` : "", fetched.source === "endpoint" ? "" : fetched.source];
  outcome.append(" ", make("small", notes.filter(Boolean).join(", "), "notes"));
  row.append(ended, make("td", fetched.reason), outcome, make("td", taking(fetched.duration), "number"));
  return row;
}

function redraw(element, facts, draw) {
  const now = JSON.stringify(facts);
  if (element.facts === now) return;
  element.facts = now;
  element.replaceChildren(...draw());
}

// The page

function cardOf(name) {
  if (cards.has(name)) return cards.get(name);
  const card = $("client").content.cloneNode(true).firstElementChild;
  card.querySelector("h2").textContent = name;
  card.querySelectorAll(".bar").forEach((bar) => bar.setAttribute("aria-label", bar.parentElement.querySelector("h3").textContent));
  const more = card.querySelector(".more");
  more.addEventListener("click", () => {
    more.setAttribute("aria-expanded", more.getAttribute("aria-expanded") !== "true");
    const { fetches, at } = card.shown;
    showFetches(card, fetches, at);
  });
  cards.set(name, card);
  return card;
}

function showClient(client, place, at, rates) {
  const card = cardOf(client.name);
  const there = $("clients").querySelectorAll(".client")[place];
  if (there !== card) $("clients").insertBefore(card, there ?? null); // unchanged cards keep the focus
  card.id = `client-${place}`;
  card.querySelector("h2").id = `name-${place}`;
  card.setAttribute("aria-labelledby", `name-${place}`);
  card.dataset.level = client.condition.level;
  card.shown = { fetches: client.fetches, at };
  put(card.querySelector(".badge"), LEVELS[client.condition.level]);
  put(card.querySelector(".condition"), client.condition.summary);
  put(card.querySelector(".source"), client.token.source ? `From ${client.token.source}` : "");
  showLife(card, client.token);
  showBudget(card, client.client_errors);
  showRate(card, client, rates);
  showCounts(card, client);
  showFetches(card, client.fetches, at);
}

function showContents(clients) {
  $("contents").hidden = clients.length < 2;
  const facts = clients.map((client) => [client.name, client.condition.level]);
  redraw($("contents").firstElementChild, facts, () => facts.map(([name, level], place) => {
    const item = document.createElement("li");
    const link = make("a", `${name} `);
    const word = make("span", LEVELS[level]);
    link.href = `#client-${place}`;
    word.dataset.level = level;
    link.append(word);
    item.append(link);
    return item;
  }));
}

function showHead(status) {
  const { pid, host, started_at, version } = status.process;
  put($("process"), `Process ${pid} on ${host}, since ${day.format(started_at * 1000)} ${clock.format(started_at * 1000)} (${lasting(status.at - started_at)}), prio-middleware ${version}`);
  const pids = [...processes.values()].map(({ status: { process } }) => process.pid).sort((one, other) => one - other);
  $("workers").hidden = pids.length < 2;
  put($("workers"), `Several processes answer at this address: ${pids.join(", ")}. Each shows its own figures, so the figures change between them.`);
  const found = Object.keys(LEVELS).map((level) => [status.levels[level] ?? 0, LEVELS[level].toLowerCase()]);
  const total = sum(status.levels);
  const all = `${total} ${total === 1 ? "client" : "clients"}`;
  const told = found.filter(([number]) => number).map(([number, word]) => `${number} ${word}`).join(", ");
  put($("summary"), `${all}: ${told}`);
  document.title = `${status.levels.bad ? "(!) " : ""}${told} - prio status`;
}

function ratesOf(status) {
  const { host, pid, started_at } = status.process;
  const key = `${host} ${pid} ${started_at}`;
  const { status: before, rates } = processes.get(key) ?? { rates: new Map() };
  const told = new Map((before?.clients ?? []).map((client) => [client.name, sum(client.responses)]));
  for (const client of status.clients) {
    const curve = rates.get(client.name) ?? [];
    const passed = before ? status.at - before.at : 0;
    if (passed > 0 && told.has(client.name)) curve.push((sum(client.responses) - told.get(client.name)) / passed);
    rates.set(client.name, curve.slice(-CURVE));
  }
  for (const name of rates.keys()) if (!status.clients.some((client) => client.name === name)) rates.delete(name);
  processes.delete(key);
  processes.set(key, { status, rates });
  if (processes.size > PROCESSES) processes.delete(processes.keys().next().value);
  return rates;
}

function showFinder(status) {
  $("find").hidden = sum(status.levels) <= LIMIT;
  $("previous").disabled = offset === 0;
  $("next").disabled = offset + LIMIT >= status.matching;
  const last = offset + status.clients.length;
  put($("found"), status.clients.length ? `${offset + 1} to ${last} of ${status.matching}` : "No client matches.");
}

function show(status) {
  const rates = ratesOf(status);
  showHead(status);
  showFinder(status);
  showContents(status.clients);
  const names = new Set(status.clients.map((client) => client.name));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    card.remove();
    cards.delete(name);
  }
  status.clients.forEach((client, place) => showClient(client, place, status.at, rates.get(client.name)));
}

// The feed

function feed(state, text) {
  document.body.dataset.feed = state;
  put($("feed"), text);
}

function stale(reason) {
  const since = latest ? `since ${clock.format(latest)}` : "yet";
  const old = latest ? " The figures below are from then." : "";
  $("alarm").hidden = false;
  put($("alarm"), `No status ${since}: ${reason}.${old}`);
  feed("stale", latest ? `Stale for ${lasting((Date.now() - latest) / 1000)}` : "No connection");
}

async function ask() {
  try {
    const options = { cache: "no-store", credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(TIMEOUT) };
    const wanted = new URLSearchParams({ q: $("text").value, level: $("level").value, offset, limit: LIMIT });
    const response = await fetch(`status.json?${wanted}`, options);
    if (!response.ok) return { reason: `the server answered ${response.status}` };
    return { status: await response.json() };
  } catch (error) {
    const reasons = { TimeoutError: "the server did not answer in time", SyntaxError: "the response was not a status" };
    return { reason: reasons[error.name] ?? "the server did not answer" };
  }
}

async function poll() {
  const asked = ++turn;
  const { status, reason } = await ask();
  if (paused || asked !== turn) return;
  if (reason) return stale(reason);
  show(status);
  latest = Date.now();
  $("alarm").hidden = true;
  feed("live", `Live, ${clock.format(latest)}`);
}

async function keepPolling() {
  window.clearTimeout(timer);
  if (paused || document.hidden) return;
  await poll();
  window.clearTimeout(timer);
  if (!paused && !document.hidden) timer = window.setTimeout(keepPolling, PERIOD);
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  put($("pause"), paused ? "Resume" : "Pause");
  if (paused) feed("paused", latest ? `Paused at ${clock.format(latest)}` : "Paused");
  keepPolling();
});

function turnTo(first) {
  offset = Math.max(first, 0);
  keepPolling();
}

$("previous").addEventListener("click", () => turnTo(offset - LIMIT));
$("next").addEventListener("click", () => turnTo(offset + LIMIT));
$("text").addEventListener("input", () => turnTo(0));
$("level").addEventListener("change", () => turnTo(0));
$("find").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("visibilitychange", keepPolling);
keepPolling();
