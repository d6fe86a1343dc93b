"""The report's style sheet, light and dark."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #faf9f7; --card: #ffffff; --ink: #1d2126; --soft: #5a6372; --line: #e4e2dd; --wash: #f1efeb;
  --red: #c3352b; --amber: #c98a00; --green: #2f8f5b; --blue: #2f6fdb; --grey: #9aa3af; --wine: #7d1d3f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --card: #1c2026; --ink: #e7e9ec; --soft: #98a2b0; --line: #2c323a; --wash: #232830;
    --red: #ff6b5e; --amber: #f2b53c; --green: #56c98a; --blue: #6ea3ff; --grey: #6d7785; --wine: #e0779c;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 64px; }
.brand { color: var(--soft); font-size: 13px; letter-spacing: .08em; text-transform: uppercase; margin: 0 0 12px; }
h1 { font-size: clamp(26px, 4.4vw, 42px); line-height: 1.16; letter-spacing: -.02em; margin: 0 0 12px; font-weight: 680; text-wrap: balance; }
.lede { color: var(--soft); font-size: 17px; margin: 0 0 28px; max-width: 46em; }
h2 { font-size: 21px; letter-spacing: -.01em; margin: 48px 0 12px; }
h3 { font-size: 16px; margin: 0; font-weight: 620; overflow-wrap: anywhere; }
.hint { color: var(--soft); margin: -8px 0 16px; max-width: 46em; }
code { font: 14px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.banner { border: 1px solid var(--red); border-left-width: 5px; border-radius: 8px; padding: 12px 16px; margin: 0 0 24px; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 0; padding: 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; }
.tiles dd { margin: 0; font-size: 27px; font-weight: 640; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.tiles dt { color: var(--soft); font-size: 14px; }
.cards { display: grid; gap: 14px; }
.card { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--red); border-radius: 12px; padding: 16px 18px; }
.card.would_trip { border-left-color: var(--amber); } .card.closed { border-left-color: var(--green); }
.card header { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: baseline; justify-content: space-between; }
.badge { font-size: 13px; color: var(--soft); background: var(--wash); border-radius: 99px; padding: 2px 10px; white-space: nowrap; }
.card h3 code { font-size: 16px; }
.card p { margin: 8px 0 0; overflow-wrap: anywhere; }
.meta { color: var(--soft); font-size: 14px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; margin: 10px 0 0; padding: 0; list-style: none; }
.chips li { background: var(--wash); border-radius: 6px; padding: 1px 8px; }
.steps { margin: 10px 0 0; padding: 0; list-style: none; color: var(--soft); font-size: 14px; }
.steps b { color: var(--ink); font-weight: 560; margin-right: 6px; } .steps time { font-variant-numeric: tabular-nums; margin-right: 10px; }
.session { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; margin: 0 0 14px; }
.session header { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 16px; margin: 0 0 8px; }
.rule { font: 13px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--soft); }
.lane { display: grid; grid-template-columns: 120px 1fr; gap: 12px; align-items: center; }
.lane-name { color: var(--soft); font-size: 13px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strip { width: 100%; height: 34px; display: block; overflow: visible; }
.axis { stroke: var(--line); stroke-width: 1; }
.call { fill: var(--grey); background: var(--grey); } .edit { fill: var(--green); background: var(--green); }
.failed { fill: var(--red); background: var(--red); } .denied { fill: var(--wine); background: var(--wine); }
.prompt { fill: var(--blue); background: var(--blue); } .warning { fill: var(--amber); background: var(--amber); }
.trip { fill: var(--red); background: var(--red); }
.hours { margin-left: 132px; display: flex; justify-content: space-between; color: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 14px; padding: 0; list-style: none; color: var(--soft); font-size: 14px; }
.key { display: inline-block; width: 4px; height: 14px; border-radius: 1px; margin-right: 7px; vertical-align: -2px; }
.key.call { height: 7px; vertical-align: 0; } .key.trip { width: 7px; }
.more { color: var(--soft); font-size: 14px; margin: 6px 0 0; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
th, td { text-align: left; padding: 9px 14px; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
thead th { border-top: 0; color: var(--soft); font-size: 13px; font-weight: 520; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { display: block; height: 4px; border-radius: 2px; background: var(--blue); margin-top: 6px; }
.calm { background: var(--card); border: 1px dashed var(--line); border-radius: 12px; padding: 16px 18px; color: var(--soft); margin: 0; }
h4 { font-size: 16px; margin: 24px 0 8px; }
footer { margin-top: 56px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--soft); font-size: 14px; }
@media (max-width: 640px) {
  main { padding: 24px 16px 48px; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .lane { grid-template-columns: 1fr; gap: 0; } .lane-name { padding-top: 4px; }
  .hours { margin-left: 0; } .hours span:nth-child(even) { display: none; }
  th, td { padding: 8px 10px; } .wide { display: none; }
}
@media print { body { background: #fff; } .card, .session, table { break-inside: avoid; } }
"""
