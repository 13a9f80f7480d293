"""What people, pages and rules do with backfills: plan, start, watch, stop, retry, reconcile and recover them."""
