# They wait for the system to be up; so does this, by starting what is started already.
does "commands run" systemctl start pilotlight-runcmd.service
expected='first with "quotes" and $dollars
second'
same "commands ran in order" "$expected" cat /var/lib/ordered
echo third >> /var/lib/ordered
