same "file" fetched cat /etc/from-url
