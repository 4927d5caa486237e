#!/bin/bash
set -eux
docker run --detach --restart=always --name web --publish 80:80 nginx
