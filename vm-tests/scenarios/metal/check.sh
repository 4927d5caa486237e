same "base config" base cat /etc/from-base
same "user config, which wins" user cat /etc/from-oem
same "file of the OEM partition" "vendor agent" /opt/bin/agent
