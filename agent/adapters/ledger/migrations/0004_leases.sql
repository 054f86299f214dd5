-- Which delivery of a run is the newest: it alone may settle. An addition: a process of the release before goes on.
alter table work add column begins int not null default 0;
comment on column work.begins is 'Grows with every begin and every hand-over of the run; an outcome of an older begin is refused.';
comment on column attempts.settled is
    'Whether the outcome was taken; false if another delivery was newer or first, null if there is no outcome.';
