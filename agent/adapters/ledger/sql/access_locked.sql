-- access_locked: whether there ever was a key; one that is refused by now counts, or revoking the last would open the door.
select exists (select from api_keys) as locked
