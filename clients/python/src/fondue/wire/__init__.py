"""The messages of the contract, made from `dialogue.proto` at build. Their own names, for those who want the wire itself."""
