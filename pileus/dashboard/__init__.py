"""A page to look at outputs and backfills: served on 127.0.0.1, or exported as files."""
