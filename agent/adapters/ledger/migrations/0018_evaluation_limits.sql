-- What the runs of an evaluation may cost, as whoever asked for it last said.
-- Only an addition: a process of the release before goes on beside this one, and knows no such limit.

alter table evaluations add column most_usd numeric;
comment on column evaluations.most_usd is 'No more of its runs are opened once those that are cost so much; null: no limit.';
