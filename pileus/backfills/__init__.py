"""What people, pages and rules do with backfills: start, plan, watch, steer, reconcile, recover."""
