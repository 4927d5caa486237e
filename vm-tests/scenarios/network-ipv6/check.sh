same "merged config" "by IPv6" cat /etc/merged
