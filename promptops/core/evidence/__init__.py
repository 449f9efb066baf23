"""Evidence: which cases were put to which release, and what came of each. Nouns only; gates judge them."""
