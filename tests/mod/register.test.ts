// The mod as Claude Code runs it (`claude plugin test .`): it shows what the published state says, and changes nothing.
import { expect, mock, test } from 'claude-code/testing'
import { footer, plain, slug } from '../../hooks/register.js'

const RUNTIME = '/home/you/.local/state/claude-circuit-breaker'
const SESSION = 'b7e1c2d3-0000'
const HOME = `${RUNTIME}/projects/${slug('/work/app')}`
const MEMORY = `${RUNTIME}/sessions/${SESSION}/session.json`
const circuit = (session: string, more = {}) => ({
  circuit: 'tool_failure:Bash pytest t.py', subject: 'Bash pytest t.py', state: 'OPEN', session,
  cause: 'failed 3 times', retry_at: 108, ...more,
})

/** A machine beneath the mod: files by path, what was shown, and the clock (it starts at 100 s). */
const machine = (on: any) => {
  const files: Record<string, string> = {}
  const shown: { status: (string | undefined)[]; toasts: string[] } = { status: [], toasts: [] }
  const beneath: { result: object } = { result: {} } // what the command hooks answer
  const clock = mock.clock(on, { now: 100_000 })
  mock.env(on, { HOME: '/home/you' })
  on('session.id', () => ({ value: SESSION }))
  on('session.root', () => ({ value: '/work/app' }))
  on('classic.PostToolBatch', () => beneath.result)
  on('classic.UserPromptSubmit', () => ({}))
  on('fs.read', (_: any, e: any) => {
    if (!(e.path in files)) throw new Error(`${e.path} failed: ENOENT`)
    return { value: files[e.path] }
  })
  on('fs.exists', (_: any, e: any) => ({ value: e.path in files }))
  on('ui.status', (_: any, e: any) => ({ value: void shown.status.push(e.text) }))
  on('ui.toast', (_: any, e: any) => ({ value: void shown.toasts.push(e.text) }))
  return { files, shown, clock, beneath }
}

const publish = (files: Record<string, string>, circuits: object[]) => {
  files[`${HOME}/circuit_breaker_state.json`] = JSON.stringify({ version: 1, circuits })
}

const batch = { tool_calls: [] } as any

test('a trip shows a box once and a footer that counts down until it closes', async ($: any, on: any) => {
  const { files, shown, clock } = machine(on)
  await $.classic.PostToolBatch(batch)
  expect(shown.status.length + shown.toasts.length).toBe(0)
  publish(files, [circuit(SESSION), circuit('another session')])
  await $.classic.PostToolBatch(batch)
  await $.classic.PostToolBatch(batch)
  expect(shown.toasts).toEqual(['Blocked: Bash pytest t.py failed 3 times. /circuit-status says more.'])
  expect(shown.status.at(-1)).toBe('1 blocked · pytest t.py 8s')
  await clock.advance(3000)
  expect(shown.status.at(-1)).toBe('1 blocked · pytest t.py 5s')
  publish(files, [])
  await clock.advance(1000)
  expect(shown.status.at(-1)).toBe(undefined)
})

test('what was open before the session went on gives a footer and no box', async ($: any, on: any) => {
  const { files, shown } = machine(on)
  publish(files, [circuit(SESSION, { retry_at: null })])
  await $.classic.UserPromptSubmit({ prompt: 'go on' } as any)
  expect(shown.toasts).toEqual([])
  expect(shown.status).toEqual(['1 blocked · pytest t.py'])
})

test('a turn that the breaker stopped shows why, one that another hook stopped does not', async ($: any, on: any) => {
  const { shown, beneath } = machine(on)
  const stopReason = 'circuit-breaker stopped this turn: `pytest` was asked for 5 times. Say how to go on.'
  beneath.result = { preventContinuation: true, stopReason }
  const result = await $.classic.PostToolBatch(batch)
  expect(result.stopReason).toBe(stopReason)
  expect(shown.toasts).toEqual(['Turn stopped: `pytest` was asked for 5 times.'])
  beneath.result = { preventContinuation: true, stopReason: 'a linter stopped it' }
  await $.classic.PostToolBatch(batch)
  expect(shown.toasts.length).toBe(1)
})

test('a budget past 80 % is in the footer', async ($: any, on: any) => {
  const { files, shown } = machine(on)
  const remember = (percent: number) => {
    files[MEMORY] = `{"sum":1,"v":15,"budget":[1790000000.0,8,{},[0,0,0,0],[0,0,0,0],[0,0,0,0],{"calls_per_prompt":${percent}}]}`
  }
  remember(50)
  await $.classic.PostToolBatch(batch)
  expect(shown.status).toEqual([])
  remember(80)
  await $.classic.PostToolBatch(batch)
  expect(shown.status).toEqual(['80 % of a budget used'])
})

test('what hooks beneath answer goes through unchanged, whatever the state file holds', async ($: any, on: any) => {
  const { files, beneath } = machine(on)
  beneath.result = { additionalContext: ['from a command hook'] }
  for (const torn of ['{', '[]', 'null', '{"circuits": 7}', '{"circuits": [null]}']) {
    publish(files, [])
    for (const path of Object.keys(files)) files[path] = torn
    const result = await $.classic.PostToolBatch(batch)
    expect(result.additionalContext).toEqual(['from a command hook'])
  }
})

test('hostile labels become one harmless line', () => {
  const text = footer([circuit('s', { subject: 'Bash \u001b[31mred\u001b[0m \u202egnp.exe\n' + 'x'.repeat(10_000) })], 0, 100)!
  expect(text.length < 80).toBe(true)
  expect(/[\u0000-\u001f\u202e]/.test(text)).toBe(false)
  expect(plain('a\u0007b\u2028c')).toBe('abc')
})

test('the home is found as the hooks find it', () => {
  expect(slug('/work/my app/ü')).toBe('-work-my-app---193815ab550c')
})
