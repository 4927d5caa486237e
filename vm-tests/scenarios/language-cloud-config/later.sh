does "commands are not started" systemctl start pilotlight-runcmd.service
same "because they have run" no systemctl show -p ConditionResult --value pilotlight-runcmd.service
same "what was changed since stays" third tail -n 1 /var/lib/ordered
same "data disk" ext4 findmnt -rno FSTYPE /var/lib/data
