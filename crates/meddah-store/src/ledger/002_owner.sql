-- Which running program a reservation belongs to, so that it comes back at once when that program was killed.
-- Empty: nobody knows, and it runs out by itself.
ALTER TABLE reservation ADD COLUMN owner TEXT NOT NULL DEFAULT '';
