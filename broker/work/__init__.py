"""Where an asset worked and at what hours: pure code over what was observed, without any order of arrival."""
