-- evaluation_opened: notes that the runs of lines are open; what they ask stands with them from now on.
-- $1 id, $2 numbers
update evaluation_lines set opened = true, request = ''
where evaluation_id = $1 and number = any($2::int[]) and not opened
