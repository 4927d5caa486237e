# Slot, label, type, GUID, attribute bits: the seven of the image as they were, and the new one.
same "the table" "vda1 EFI-SYSTEM c12a7328-f81f-11d2-ba4b-00a0c93ec93b 11111111-1111-4111-8111-111111111111
vda2 BIOS-BOOT 21686148-6449-6e6f-744e-656564454649 22222222-2222-4222-8222-222222222222
vda3 USR-A 5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6 7130c94a-213a-4e5a-8e26-6cce9662f132 0x101000000000000
vda4 USR-B 5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6 e03dd35c-7c2d-4a47-b3fe-27f15780a57c
vda6 OEM 0fc63daf-8483-4772-8e79-3d69d8477de4 66666666-6666-4666-8666-666666666666
vda7 OEM-CONFIG c95dc21a-df0e-4340-8d7b-26cbfa9a03e0 77777777-7777-4777-8777-777777777777
vda9 ROOT 3884dd41-8582-4404-b9a8-e9b84f2df50e 99999999-9999-4999-8999-999999999999
vda10 extra 0fc63daf-8483-4772-8e79-3d69d8477de4 10101010-1010-4010-8010-101010101010" \
    sh -c "lsblk -nro NAME,PARTLABEL,PARTTYPE,PARTUUID,PARTFLAGS /dev/disk/by-id/virtio-boot | sed '1d; s/ *$//'"
does "the table is whole, its backup at the end" sh -c "sgdisk --verify /dev/vda | grep -q 'No problems found'"
fails "the disk has a GUID of its own" sh -c "lsblk -dno PTUUID /dev/vda | grep -x 00000000-0000-0000-0000-000000000001"
# First MiB and size in MiB: ROOT begins where it was and reaches up to the new partition.
same "ROOT has grown" "6212 2988" sh -c 'echo $(($(cat /sys/class/block/vda9/start) / 2048)) $(($(cat /sys/class/block/vda9/size) / 2048))'
