same "base config" base cat /etc/from-base
same "user config, which wins" user cat /etc/from-oem
