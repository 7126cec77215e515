SELECT claim.request, ledger.ended, ledger.turns, ledger.tokens, ledger.speech_ms, ledger.micro
FROM claim LEFT JOIN ledger ON ledger.request = claim.request
WHERE claim.key = ?1 AND claim.at_ms >= ?2
