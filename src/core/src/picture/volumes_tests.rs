use super::super::tests::{GIB, add_blank, add_disk, block, found, picture, shown};
use super::super::{Picture, svg};
use crate::facts::disks::{
    Block, Detail, RAID_MEMBER, RaidMember, Signature, Superblock, TableState,
};
use crate::facts::{Facts, Usage};
use crate::op::{DiskOp, Op, VolumeOp};

const MIRROR: &str = r#"{
    "disks": [
        {"device": "/dev/vdb", "wipeTable": true, "partitions": [{"label": "m1"}]},
        {"device": "/dev/vdc", "wipeTable": true, "partitions": [{"label": "m2"}]},
        {"device": "/dev/vdd", "wipeTable": true, "partitions": [{"label": "m3"}]}
    ],
    "raid": [{"name": "data", "level": "raid1", "spares": 1, "devices": [
        "/dev/disk/by-partlabel/m1", "/dev/disk/by-partlabel/m2", "/dev/disk/by-partlabel/m3"]}],
    "luks": [{"name": "secret", "device": "/dev/md/data", "label": "vault", "keyFile": {"source": "data:,x"}}],
    "filesystems": [{"device": "/dev/mapper/secret", "format": "xfs", "label": "srv", "path": "/srv"}]
}"#;

#[test]
fn volumes_are_shown_with_what_they_are_made_of() {
    let mut facts = Facts::default();
    let old = [(1, "old", 2048, 204_800, found("crypto_LUKS", ""))];
    add_disk(&mut facts, "/dev/vdb", GIB, &old);
    add_blank(&mut facts, "/dev/vdc", GIB);
    add_blank(&mut facts, "/dev/vdd", GIB);
    let made = picture(MIRROR, &facts);
    insta::assert_snapshot!(shown(&made), @r##"
    /dev/vdb, 1 GiB
           label    start        size  content
      before: GPT
      ! 1  old      1 MiB     100 MiB  LUKS                deleted
                  101 MiB   922.9 MiB  free
      after: GPT
      + 1  m1       1 MiB  1022.9 MiB  RAID member "data"  new
    /dev/vdc, 1 GiB
           label  start        size  content
      before: no partition table
                      0       1 GiB  blank
      after: GPT
      + 1  m2     1 MiB  1022.9 MiB  RAID member "data"  new
    /dev/vdd, 1 GiB
           label  start        size  content
      before: no partition table
                      0       1 GiB  blank
      after: GPT
      + 1  m3     1 MiB  1022.9 MiB  RAID member "data"  new
    /dev/md/data, RAID array (raid1), made of /dev/vdb1, /dev/vdc1, with /dev/vdd1 to spare
      after
      +              -     -  LUKS "vault"  new
    /dev/mapper/secret, encrypted volume (LUKS), made of /dev/md/data
      after
      +              -     -  xfs "srv"  new
    "##);
    insta::assert_snapshot!("volumes.svg", svg(&made));
}

/// A member of the array `array`, which runs as `/dev/md127`.
fn member(node: &str, level: i32, facts: &mut Facts) {
    let signature = Signature::Found(Superblock {
        kind: RAID_MEMBER.into(),
        label: "host:array".into(),
        uuid: Some("1234".into()),
        detail: Detail::Raid(RaidMember {
            level,
            active: 2,
            spare: Some(false),
        }),
    });
    let block = Block {
        used: Some(Usage::PartOf("/dev/md127".into())),
        ..block(GIB, TableState::None, signature)
    };
    facts.disks.blocks.insert(node.into(), block);
    let arrays = &mut facts.disks.arrays;
    arrays.insert("1234".into(), "/dev/md127".into());
}

#[test]
fn an_array_that_is_kept_is_shown_with_its_file_system() {
    let mut facts = Facts::default();
    member("/dev/vdb", 1, &mut facts);
    member("/dev/vdc", 1, &mut facts);
    let array = block(GIB, TableState::None, found("ext4", "pictures"));
    facts.disks.blocks.insert("/dev/md127".into(), array);
    let members = r#"[{"name": "array", "level": "raid1", "devices": ["/dev/vdb", "/dev/vdc"]}]"#;
    let kept = picture(&format!("{{\"raid\": {members}}}"), &facts);
    insta::assert_snapshot!(shown(&kept), @r##"
    /dev/vdb, 1 GiB
          label  start   size  content
      unchanged: no partition table
                     0  1 GiB  RAID member "host:array"  kept
    /dev/vdc, 1 GiB
          label  start   size  content
      unchanged: no partition table
                     0  1 GiB  RAID member "host:array"  kept
    /dev/md/array, RAID array (raid1), 1 GiB, made of /dev/vdb, /dev/vdc
      unchanged
                     0  1 GiB  ext4 "pictures"  kept
    "##);
}

#[test]
fn an_array_whose_members_are_wiped_is_gone() {
    let mut facts = Facts::default();
    member("/dev/vdb", 0, &mut facts);
    member("/dev/vdc", 0, &mut facts);
    let array = block(2 * GIB, TableState::None, found("ext4", "pictures"));
    facts.disks.blocks.insert("/dev/md127".into(), array);
    let wipe = |device: &str| DiskOp::WipeSignatures {
        device: device.into(),
        destroys: "it".into(),
    };
    let stop = VolumeOp::StopArray {
        node: "/dev/md127".into(),
        members: vec!["/dev/vdb".into(), "/dev/vdc".into()],
    };
    let steps: [Op; 3] = [
        stop.into(),
        wipe("/dev/vdb").into(),
        wipe("/dev/vdc").into(),
    ];
    let mut after = facts.clone();
    steps.iter().for_each(|op| op.predict(&mut after));
    let gone = Picture::new(&facts.disks, steps.iter(), &after.disks);
    insta::assert_snapshot!(shown(&gone), @r##"
    /dev/vdb, 1 GiB
          label  start   size  content
      before: no partition table
      !              0  1 GiB  RAID member "host:array"  wiped
      after: no partition table
      ~              0  1 GiB  blank                     wiped
    /dev/vdc, 1 GiB
          label  start   size  content
      before: no partition table
      !              0  1 GiB  RAID member "host:array"  wiped
      after: no partition table
      ~              0  1 GiB  blank                     wiped
    /dev/md127, RAID array (raid0), 2 GiB, made of /dev/vdb, /dev/vdc
      before
      !              0  2 GiB  ext4 "pictures"  deleted
    "##);
}

#[test]
fn an_encrypted_volume_that_is_opened_again_keeps_its_data_or_loses_it() {
    let mut facts = Facts::default();
    let disk = block(GIB, TableState::None, found("crypto_LUKS", "vault"));
    facts.disks.blocks.insert("/dev/vdb".into(), disk);
    let open: Op = VolumeOp::OpenVolume {
        name: "secret".into(),
        device: "/dev/vdb".into(),
        by_clevis: false,
        discard: false,
        options: Vec::new(),
    }
    .into();
    let wipe: Op = DiskOp::WipeSignatures {
        device: "/dev/mapper/secret".into(),
        destroys: "it".into(),
    }
    .into();
    let shown_after = |steps: &[Op]| {
        let mut after = facts.clone();
        steps.iter().for_each(|op| op.predict(&mut after));
        shown(&Picture::new(&facts.disks, steps.iter(), &after.disks))
    };
    insta::assert_snapshot!(shown_after(std::slice::from_ref(&open)), @r##"
    /dev/vdb, 1 GiB
          label  start   size  content
      unchanged: no partition table
                     0  1 GiB  LUKS "vault"  kept
    /dev/mapper/secret, encrypted volume (LUKS), made of /dev/vdb
      unchanged
                     -     -  not known yet  kept
    "##);
    insta::assert_snapshot!(shown_after(&[open, wipe]), @r##"
    /dev/vdb, 1 GiB
          label  start   size  content
      unchanged: no partition table
                     0  1 GiB  LUKS "vault"  kept
    /dev/mapper/secret, encrypted volume (LUKS), made of /dev/vdb
      before
      !              -     -  not known yet  wiped
      after
      ~              -     -  blank          wiped
    "##);
}
