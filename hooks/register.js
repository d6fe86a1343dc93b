// The mod: a footer in Claude Code while something is blocked or a budget runs out, and a box when something trips or a turn is stopped.
// It only shows what the hooks published. It decides nothing and passes every event on; if it fails, it shows nothing.

const PRIME = 2n ** 48n - 59n // as in lib/circuit_breaker/runtime/home.py
const FRONT = 'circuit-breaker'
const SECOND = 1000
const BUDGET = 80 // percent of a budget from which the footer shows it
const LABEL = 24 // characters of a call in the footer

/** The name of a project's folder in the runtime folder: readable, and unique per path. */
export const slug = (project) => {
  const bytes = new TextEncoder().encode(FRONT + project)
  const digest = bytes.reduce((sum, byte) => (sum * 256n + BigInt(byte)) % PRIME, 0n)
  const readable = [...project].map((c) => (/[A-Za-z0-9]/.test(c) ? c : '-')).join('')
  return `${[...readable].slice(-48).join('')}-${digest.toString(16).padStart(12, '0')}`
}

/** A text as one line without control characters. */
export const plain = (text) => [...String(text)].filter((c) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(c)).join('')

const clipped = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text)

/** The footer: `1 blocked · pytest 8s`, and the budget that runs out; undefined when there is nothing to show. */
export const footer = (circuits, percent, now) => {
  const parts = []
  const next = [...circuits].sort((a, b) => (a.retry_at ?? Infinity) - (b.retry_at ?? Infinity))[0]
  if (next) {
    const left = next.retry_at == null ? '' : Math.max(0, Math.ceil(next.retry_at - now))
    const label = clipped(plain(next.subject).replace(/^(Bash|PowerShell) /, ''), LABEL)
    parts.push(`${circuits.length} blocked · ${label}${left === '' ? '' : left ? ` ${left}s` : ' retry allowed now'}`)
  }
  if (percent >= BUDGET) parts.push(`${percent} % of a budget used`)
  return parts.length ? parts.join(' · ') : undefined
}

/** The runtime folder and the home of this session's project, found as the hooks find them; undefined without HOME. */
const places = async ($) => {
  const own = await $.env.get('CIRCUIT_BREAKER_HOME')
  if (own) return { runtime: own, home: own }
  const user = await $.env.get('HOME')
  const state = (await $.env.get('XDG_STATE_HOME')) || (user && `${user}/.local/state`)
  if (!state) return undefined
  const runtime = `${state}/claude-circuit-breaker`
  const project = (await $.session.root()).replace(/\/+$/, '') || '/'
  const inside = `${project}/.claude/memory`
  const isInside = await $.fs.exists(`${inside}/circuit_breaker_config.json`)
  return { runtime, home: isInside ? inside : `${runtime}/projects/${slug(project)}` }
}

const read = async ($, path) => {
  try {
    return JSON.parse(await $.fs.read(path))
  } catch {
    return {} // missing, or just being written
  }
}

// known: names of the circuits that were open at the last look (undefined before the first); shown: the footer's text; timer: runs while
// something is blocked, because the footer counts down.
const seen = { known: undefined, shown: undefined, timer: undefined }

const look = async ($) => {
  const where = await places($)
  if (!where) return
  const session = await $.session.id()
  const state = await read($, `${where.home}/circuit_breaker_state.json`)
  const circuits = (state.circuits ?? []).filter((c) => c.session === session && c.state !== 'CLOSED')
  const memory = await read($, `${where.runtime}/sessions/${session}/session.json`)
  const reached = memory.budget?.at(-1) // the last field of its row: limit -> percent (breaker/memory.py)
  const percent = Math.max(0, ...Object.values(reached ?? {}))
  for (const circuit of circuits) {
    if (!seen.known || seen.known.has(circuit.circuit)) continue
    const text = clipped(plain(`${circuit.subject} ${circuit.cause}`), 160)
    $.ui.toast(`Blocked: ${text}. /circuit-status says more.`, { timeoutMs: 8000 })
  }
  seen.known = new Set(circuits.map((c) => c.circuit))
  const text = footer(circuits, percent, (await $.clock.now()) / SECOND)
  if (text !== seen.shown) $.ui.status(text)
  seen.shown = text
  if (circuits.length && !seen.timer) seen.timer = $.clock.every(SECOND, () => quietly(() => look($)))
  if (!circuits.length && seen.timer) seen.timer = void seen.timer.cancel()
}

/** Runs `act` and ignores every failure: the hooks do the real work. */
const quietly = async (act) => {
  try {
    await act()
  } catch {
    return
  }
}

const pass = async ($, e, next) => {
  const result = await next(e)
  await quietly(() => look($))
  if (result?.preventContinuation && String(result.stopReason).startsWith(FRONT)) {
    const why = plain(result.stopReason).replace(/^.*? stopped this turn: /, '').split('. ')[0]
    await quietly(() => $.ui.toast(`Turn stopped: ${clipped(why, 160)}.`, { timeoutMs: 10000 }))
  }
  return result
}

/** @type {import('claude-code').Register} */
export const register = (on) => {
  on('session.start', pass)
  on('classic.UserPromptSubmit', pass)
  on('classic.UserPromptExpansion', pass) // /reset-circuit
  on('classic.PostToolBatch', pass)
}
