"""Parts that behave like the real ones, with verbs the real ones lack; for tests, benches and `pantau simulate`."""
