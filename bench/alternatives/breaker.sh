#!/usr/bin/env bash
# A breaker of bash and jq, for comparison: counts failures of a call, denies after three.
set -euo pipefail
home=$1
mkdir -p "$home"
payload=$(cat)
read -r event session < <(jq -r '[.hook_event_name, .session_id] | join(" ")' <<<"$payload")
state=$home/$session.json
[ -f "$state" ] || echo '{}' >"$state"
exec 9>"$state.lock"
flock 9
if [ "$event" = PostToolBatch ]; then
    jq --argjson batch "$payload" 'reduce $batch.tool_calls[] as $c (.; ($c | [.tool_name, .tool_input] | tojson) as $k
        | .[$k] = (if ($c.tool_response | tostring | test("^(Exit code|<tool_use_error>)")) then (.[$k] // 0) + 1 else 0 end))' \
        "$state" >"$state.new"
    mv "$state.new" "$state"
elif [ "$event" = PreToolUse ]; then
    key=$(jq -c '[.tool_name, .tool_input] | tojson' <<<"$payload")
    if [ "$(jq --argjson k "$key" '.[$k] // 0' "$state")" -ge 3 ]; then
        echo '{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"failed 3 times"}}'
    fi
fi
