-- Whether anything was begun lately, for readiness: a few pages of index however large the table has grown. Attempts are
-- written in the order of their time, and a BRIN index costs next to nothing to keep.
create index attempts_by_time on attempts using brin (began_at) with (pages_per_range = 16, autosummarize = on);
