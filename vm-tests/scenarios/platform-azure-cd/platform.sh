platform=azure
host_name=azure-node
keys="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEnPCBDs2HUNc+M5MHZt5prp8owj1GxHdoq69AxNCzDI me@platform"
