same "file" coreos cat /etc/from-fw-cfg
