test "$(stat -c %a:%u:%g "$1/home/core/.ssh/authorized_keys.d/ignition")" = 600:1502:1502
