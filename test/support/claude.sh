#!/bin/sh
# The real Claude Code, without what its adapter asks it beside every open and every prompt: who is logged in. Nobody
# hears the answer, and each one costs half as much as the start of a conversation.
case "$*" in *'auth status --json') exec echo '{"loggedIn":true,"apiKeySource":"ANTHROPIC_API_KEY"}' ;; esac
# Where there are two, the one for musl comes first.
for claude in "${0%/*}"/../../node_modules/@anthropic-ai/claude-agent-sdk-*/claude; do :; done
exec "$claude" "$@"
