-- What it takes to run a run again exactly as it went: errors with all that was known of them, calls that were not let
-- through, and what each attempt was given. Only additions: a process of the release before goes on beside this one.

alter table calls add column fault text;
comment on column calls.fault is 'JSON: the class of the error, and the seconds that it named to wait; null where there was none.';

alter table attempts
    add column begins int,
    add column delay_s double precision,
    add column refusals text;
comment on column attempts.begins is 'Which begin of the run this was: the jitter of a retry follows from it.';
comment on column attempts.delay_s is 'How long the work was put off by it; null where it was not.';
comment on column attempts.refusals is 'JSON: calls that a step wanted and that were not made, and why.';
