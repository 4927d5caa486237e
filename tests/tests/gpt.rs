//! Partition tables slot by slot on loop devices: whatever is there and whatever is asked, what the config
//! does not name stays bit for bit in both copies; damage is repaired and said, or refused.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use pilotlight_core::diag::Sources;
use pilotlight_core::facts::Facts;
use pilotlight_core::facts::disks::{Signature, TableState};
use pilotlight_core::model::{Disk, Guid, Partition};
use pilotlight_core::op::{DiskOp, Op};
use pilotlight_core::plan::{self, Plan, Planned};
use pilotlight_sys::disks;
use pilotlight_tests::disk::LoopDisk;
use pilotlight_tests::tool;
use proptest::prelude::{
    Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq, proptest,
};

/// Bytes of the entries of a table.
const ARRAY: usize = 128 * 128;
const MIB: u64 = 1 << 20;

/// A disk whose partition table is written and damaged by hand, and read by other programs.
trait Gpt {
    fn device(&self) -> File;
    fn write(&self, at: u64, bytes: &[u8]);
    fn flip(&self, at: u64);
    fn grow(&self, mib: u64);
    /// Both copies of the entries.
    fn arrays(&self) -> [Vec<u8>; 2];
    /// Puts these partitions on the disk by a program that is not ours: slot, first and last sector,
    /// attributes.
    fn partitioned(&self, list: &[(u32, u64, u64, u64)]);
    /// Both other programs find the table in order, and the same in it.
    fn others_agree(&self, facts: &Facts);
}

impl Gpt for LoopDisk {
    fn device(&self) -> File {
        let mut options = File::options();
        options.read(true).write(true).open(self.node()).unwrap()
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        let device = self.device();
        device.write_all_at(bytes, at).unwrap();
        device.sync_all().unwrap();
    }

    fn flip(&self, at: u64) {
        let mut byte = [0];
        self.device().read_exact_at(&mut byte, at).unwrap();
        self.write(at, &[byte[0] ^ 0x10]);
    }

    fn grow(&self, mib: u64) {
        self.image.as_file().set_len(mib * MIB).unwrap();
        tool(&format!("losetup --set-capacity {}", self.node()));
    }

    fn arrays(&self) -> [Vec<u8>; 2] {
        let device = self.device();
        let size = self.image.as_file().metadata().unwrap().len();
        [2 * self.sector, size - self.sector - ARRAY as u64].map(|at| {
            let mut bytes = vec![0; ARRAY];
            device.read_exact_at(&mut bytes, at).unwrap();
            bytes
        })
    }

    fn partitioned(&self, list: &[(u32, u64, u64, u64)]) {
        let mut device = self.device();
        let mut table = gptman::GPT::new_from(&mut device, self.sector, [0x42; 16]).unwrap();
        for (number, start, end, attributes) in list {
            let tag = u8::try_from(*number).unwrap();
            table[*number] = gptman::GPTPartitionEntry {
                partition_type_guid: [0x11; 16],
                unique_partition_guid: [tag; 16],
                starting_lba: *start,
                ending_lba: *end,
                attribute_bits: *attributes,
                partition_name: format!("old{number}").as_str().into(),
            };
        }
        table.write_into(&mut device).unwrap();
        gptman::GPT::write_protective_mbr_into(&mut device, self.sector).unwrap();
        device.sync_all().unwrap();
    }

    fn others_agree(&self, facts: &Facts) {
        let said = tool(&format!("sgdisk --verify {}", self.node()));
        assert!(said.contains("No problems found"), "{said}");
        let TableState::Gpt(table) = &facts.disks.blocks[self.node()].table else {
            panic!("{facts:?}")
        };
        assert_eq!(table.fault(), None);
        let other = gptman::GPT::read_from(&mut self.device(), self.sector).unwrap();
        let others: Vec<_> = (other.iter())
            .filter(|(_, entry)| entry.is_used())
            .map(|(number, entry)| {
                let place = (entry.starting_lba, entry.ending_lba, entry.attribute_bits);
                (number, place, entry.partition_name.to_string())
            })
            .collect();
        let ours: Vec<_> = (table.partitions.iter())
            .map(|(number, entry)| {
                let place = (entry.start, entry.end, entry.attributes);
                (*number, place, entry.label.clone())
            })
            .collect();
        assert_eq!(ours, others);
    }
}

fn apply(plan: &Plan) {
    for step in &plan.steps {
        let Op::Disk(op) = &step.op else {
            panic!("{step:?}")
        };
        disks::apply(op).unwrap_or_else(|error| panic!("{op}: {error}"));
    }
}

fn words(planned: &Planned) -> String {
    match planned {
        Ok(plan) => plan.render(&Sources::default()),
        Err(report) => report.render(&Sources::default()),
    }
}

fn partition(number: u32, label: &str) -> Partition {
    Partition {
        at: None,
        number,
        label: (!label.is_empty()).then(|| label.into()),
        start_mib: None,
        size_mib: None,
        type_guid: None,
        guid: None,
        wipe_partition_entry: false,
        should_exist: true,
        resize: false,
    }
}

/// Partitions that are there: slot, free sectors before it, sectors, attributes. Not aligned to anything.
fn there() -> impl Strategy<Value = Vec<(u32, u64, u64, u64)>> {
    let numbers = vec![1u32, 2, 3, 4, 6, 7, 9, 64, 128];
    (
        prop::sample::subsequence(numbers, 0..7),
        prop::collection::vec((0u64..4000, 1u64..3000, any::<u64>()), 9),
        any::<bool>(),
    )
        .prop_map(|(mut numbers, rest, backwards)| {
            // On the disk, they need not be in the order of their numbers.
            if backwards {
                numbers.reverse();
            }
            let list = numbers.into_iter().zip(rest);
            list.map(|(number, (gap, sectors, attributes))| (number, gap, sectors, attributes))
                .collect()
        })
}

fn asked() -> impl Strategy<Value = Vec<Partition>> {
    let mib = |most| prop::option::weighted(0.6, 0u64..most);
    let one = (any::<[bool; 3]>(), mib(110), mib(30), any::<bool>(), 0u8..6);
    (
        prop::sample::subsequence(vec![0u32, 1, 2, 3, 5, 9, 127], 1..5),
        prop::collection::vec(one, 7),
    )
        .prop_map(|(numbers, rest)| {
            let list = numbers.into_iter().zip(rest);
            list.map(
                |(number, ([wipe, resize, labelled], start_mib, size_mib, guid, exists))| {
                    let label = match number {
                        0 => "old64".to_string(),
                        _ if labelled => format!("new{number}"),
                        _ => String::new(),
                    };
                    let asked = Partition {
                        wipe_partition_entry: wipe,
                        ..partition(number, &label)
                    };
                    if exists == 0 && number != 0 {
                        return Partition {
                            should_exist: false,
                            label: None,
                            ..asked
                        };
                    }
                    Partition {
                        start_mib,
                        size_mib,
                        resize,
                        guid: guid.then_some(Guid([9; 16])).filter(|_| number == 5),
                        ..asked
                    }
                },
            )
            .collect()
        })
}

/// The slots that a plan changes.
fn touched(plan: &Plan) -> Vec<u32> {
    let number = |op: &Op| match op {
        Op::Disk(
            DiskOp::CreatePartition { number, .. }
            | DiskOp::DeletePartition { number, .. }
            | DiskOp::ResizePartition { number, .. },
        ) => Some(*number),
        _ => None,
    };
    plan.steps
        .iter()
        .filter_map(|step| number(&step.op))
        .collect()
}

proptest! {
    #![proptest_config(pilotlight_tests::cases(60))]

    #[test]
    fn what_the_config_does_not_change_stays_bit_for_bit(there in there(), asked in asked(), large: bool) {
        let disk = LoopDisk::new(128, if large { 4096 } else { 512 });
        let mut next = 300;
        let mut list = Vec::new();
        for (number, gap, sectors, attributes) in there {
            list.push((number, next + gap, next + gap + sectors - 1, attributes));
            next += gap + sectors;
        }
        disk.partitioned(&list);
        let (before, arrays) = (disk.observe(), disk.arrays());
        let config = [disk.with(asked)];
        let Ok(plan) = plan::disks::plan(&config, &before) else { return Ok(()) };
        apply(&plan);
        let (after, now) = (disk.observe(), disk.arrays());
        prop_assert!(now[0] == now[1], "the copies differ");
        let touched = touched(&plan);
        for number in (1..=128).filter(|number| !touched.contains(number)) {
            let slot = (number as usize - 1) * 128..number as usize * 128;
            prop_assert_eq!(&now[0][slot.clone()], &arrays[0][slot], "slot {}", number);
        }
        disk.others_agree(&after);
        prop_assert!(after.disks.agrees_with(&plan.predict(before).disks));
        let again = plan::disks::plan(&config, &after).map_err(|report| TestCaseError::fail(format!("{report:?}")))?;
        prop_assert!(again.is_empty(), "{:#?}", again);
    }
}

/// Reading beyond the end of a block device is an error of its own.
#[test]
fn a_partition_of_one_sector_is_observed() {
    let disk = LoopDisk::new(64, 512);
    disk.partitioned(&[(4, 300, 300, 0)]);
    apply(&plan::disks::plan(&one_more(&disk), &disk.observe()).unwrap());
    let facts = disk.observe();
    let block = &facts.disks.blocks[&format!("{}p4", disk.node())];
    assert_eq!((block.size, &block.signature), (512, &Signature::Blank));
}

/// One partition of a fixed place more than is there.
fn one_more(disk: &LoopDisk) -> [Disk; 1] {
    [disk.with(vec![Partition {
        size_mib: Some(4),
        ..partition(0, "new")
    }])]
}

const OLD: [(u32, u64, u64, u64); 2] = [(3, 1001, 2000, 0x0113_0000_0000_0004), (7, 3000, 3999, 1)];

#[test]
fn damage_to_one_copy_is_said_and_repaired() {
    for sector in [512, 4096] {
        let size = 64 * MIB;
        let end = size - sector;
        let places = [
            (sector, "its first copy is gone"),
            (
                sector + 60,
                "its first copy has a header with a wrong checksum",
            ),
            (
                2 * sector + 7 * 128,
                "its first copy has entries with a wrong checksum",
            ),
            (end, "there is no backup"),
            (end + 90, "its backup at the end of the disk has a header"),
            (end - 40, "its backup at the end of the disk has entries"),
            (511, "the protective MBR before it is gone"),
        ];
        for (at, problem) in places {
            let disk = LoopDisk::new(64, sector);
            disk.partitioned(&OLD);
            let [kept, _] = disk.arrays();
            disk.flip(at);
            // A table that nothing is asked of stays as it is, unless the kernel finds none of its partitions.
            let facts = disk.observe();
            let same = [disk.with(vec![partition(3, "old3")])];
            let left = words(&plan::disks::plan(&same, &facts));
            match problem.starts_with("its first copy") {
                true => assert!(left.starts_with("  repair the partition table"), "{left}"),
                false => assert_eq!(left, ""),
            }
            let planned = plan::disks::plan(&one_more(&disk), &facts);
            let said = words(&planned);
            assert!(
                said.starts_with("  repair the partition table"),
                "{at}: {said}"
            );
            assert!(said.contains(problem), "{at}: {said}");
            apply(&planned.unwrap());
            let now = disk.arrays();
            assert!(now[0] == now[1], "{at}");
            for slot in [3, 7].map(|number: usize| (number - 1) * 128..number * 128) {
                assert_eq!(now[0][slot.clone()], kept[slot], "{at}");
            }
            disk.others_agree(&disk.observe());
        }
    }
}

/// Plans on a disk that has to be refused; answers the words, after checking that nothing has changed.
fn refused(disk: &LoopDisk) -> String {
    let before = disk.bytes();
    let planned = plan::disks::plan(&one_more(disk), &disk.observe());
    let said = words(&planned);
    assert!(planned.is_err(), "{said}");
    assert!(disk.bytes() == before);
    said
}

#[test]
fn damage_to_both_copies_is_refused() {
    for (first, second) in [
        (512 + 60, 64 * MIB - 500),
        (1100, 64 * MIB - 600),
        (512, 64 * MIB - 512),
    ] {
        let disk = LoopDisk::new(64, 512);
        disk.partitioned(&OLD);
        disk.flip(first);
        disk.flip(second);
        let said = refused(&disk);
        assert!(said.contains("GUID partition table"), "{said}");
        assert!(said.contains("set wipeTable to true"), "{said}");
    }
}

#[test]
fn a_grown_disk_is_repaired_as_long_as_its_backup_can_be_found() {
    for sector in [512, 4096] {
        for (at, problem) in [
            (None, "the disk has grown, the backup is not at its end"),
            (
                Some(sector + 60),
                "its first copy has a header with a wrong checksum, and the disk has grown",
            ),
            (
                Some(2 * sector + 300),
                "its first copy has entries with a wrong checksum, and the disk has grown",
            ),
        ] {
            let disk = LoopDisk::new(64, sector);
            disk.partitioned(&OLD);
            let [kept, _] = disk.arrays();
            disk.grow(96);
            if let Some(at) = at {
                disk.flip(at);
            }
            let planned = plan::disks::plan(&one_more(&disk), &disk.observe());
            let said = words(&planned);
            assert!(said.contains(problem), "{said}");
            apply(&planned.unwrap());
            let now = disk.arrays();
            assert!(now[0] == now[1]);
            for slot in [3, 7].map(|number: usize| (number - 1) * 128..number * 128) {
                assert_eq!(now[0][slot.clone()], kept[slot]);
            }
            disk.others_agree(&disk.observe());
        }
        // Nobody knows where it ended. It is no empty disk for that.
        let disk = LoopDisk::new(64, sector);
        disk.partitioned(&OLD);
        disk.grow(96);
        disk.write(sector, &vec![0; 20 << 10]);
        let said = refused(&disk);
        assert!(
            said.contains("neither the first copy nor a backup"),
            "{said}"
        );
    }
}

/// An entry of an MBR: type, first sector, sectors.
fn mbr_entry(kind: u8, start: u32, sectors: u32) -> [u8; 16] {
    let mut entry = [0; 16];
    entry[4] = kind;
    entry[8..12].copy_from_slice(&start.to_le_bytes());
    entry[12..].copy_from_slice(&sectors.to_le_bytes());
    entry
}

#[test]
fn disks_with_an_mbr_are_refused_without_wipe_table() {
    // Partitioned by MBR; the same over an earlier table of ours; and both at once.
    for (remains, hybrid) in [(false, false), (true, false), (true, true)] {
        let disk = LoopDisk::new(64, 512);
        if remains {
            disk.partitioned(&OLD);
        }
        let at = if hybrid { 446 + 16 } else { 446 };
        disk.write(at, &mbr_entry(0x83, 4096, 126_000));
        disk.write(510, &[0x55, 0xaa]);
        disk.write(4096 * 512, b"precious");
        let said = refused(&disk);
        assert!(
            said.contains("MBR") && said.contains("set wipeTable to true"),
            "{said}"
        );
        let mut config = one_more(&disk);
        config[0].wipe_table = true;
        let plan = plan::disks::plan(&config, &disk.observe()).unwrap();
        assert!(plan.steps[0].op.is_destructive());
        apply(&plan);
        let after = disk.observe();
        disk.others_agree(&after);
        assert!(plan::disks::plan(&config, &after).unwrap().is_empty());
        let mbr = &disk.bytes()[446..512];
        assert_eq!(mbr[4], 0xee);
        assert_eq!(mbr[16..64], [0; 48]);
    }
}

#[test]
fn a_file_system_over_the_remains_of_a_table_is_what_counts() {
    let disk = LoopDisk::new(64, 512);
    disk.partitioned(&OLD);
    // The image of a file system that is smaller than the disk was written to it.
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(32 * MIB).unwrap();
    tool(&format!("mkfs.ext4 -q -L DATA {}", image.path().display()));
    disk.write(0, &fs::read(image.path()).unwrap());
    let mut backup = [0; 8];
    (disk.device().read_exact_at(&mut backup, 64 * MIB - 512)).unwrap();
    assert_eq!(&backup, b"EFI PART");
    let facts = disk.observe();
    let block = &facts.disks.blocks[disk.node()];
    assert!(matches!(&block.signature, Signature::Found(found) if found.label == "DATA"));
    let said = refused(&disk);
    assert!(said.contains("holds ext4 without partitions"), "{said}");
}

#[test]
fn whoever_only_looks_at_a_partition_does_not_keep_it() {
    let disk = LoopDisk::new(64, 512);
    let config = [disk.with(vec![partition(1, "old")])];
    apply(&plan::disks::plan(&config, &disk.observe()).unwrap());
    let gone = Partition {
        should_exist: false,
        wipe_partition_entry: true,
        ..partition(1, "")
    };
    let plan = plan::disks::plan(&[disk.with(vec![gone])], &disk.observe()).unwrap();
    let reader = File::open(format!("{}p1", disk.node())).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(1500));
            drop(reader);
        });
        apply(&plan);
    });
    assert!(!fs::exists(format!("{}p1", disk.node())).unwrap());
}

#[test]
fn a_mounted_partition_stays_while_others_change() {
    let disk = LoopDisk::new(64, 512);
    let first = [disk.with(vec![
        Partition {
            size_mib: Some(16),
            ..partition(1, "root")
        },
        Partition {
            size_mib: Some(8),
            ..partition(2, "other")
        },
    ])];
    apply(&plan::disks::plan(&first, &disk.observe()).unwrap());
    let root = format!("{}p1", disk.node());
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display().to_string();
    tool(&format!("mkfs.ext4 -q {root}"));
    tool(&format!("mount {root} {at}"));
    fs::write(directory.path().join("file"), "precious").unwrap();
    let change = |partition: Partition| {
        let config = [disk.with(vec![partition])];
        plan::disks::plan(&config, &disk.observe())
    };
    let refusals = [
        Partition {
            should_exist: false,
            wipe_partition_entry: true,
            ..partition(1, "")
        },
        Partition {
            size_mib: Some(8),
            resize: true,
            ..partition(1, "root")
        },
        Partition {
            wipe_partition_entry: true,
            ..partition(1, "another")
        },
    ]
    .map(|partition| words(&change(partition)));
    let others = [
        partition(0, "new"),
        Partition {
            should_exist: false,
            wipe_partition_entry: true,
            ..partition(2, "")
        },
    ]
    .map(|partition| {
        let before = disk.observe();
        let plan = change(partition).unwrap();
        apply(&plan);
        disk.observe()
            .disks
            .agrees_with(&plan.predict(before).disks)
    });
    let found = fs::read_to_string(directory.path().join("file"));
    let mounted = tool(&format!("findmnt --noheadings --output SOURCE {at}"));
    tool(&format!("umount {at}"));
    for said in refusals {
        assert!(said.contains("it is mounted at"), "{said}");
    }
    assert_eq!(others, [true, true]);
    assert_eq!(found.unwrap(), "precious");
    assert_eq!(mounted, root);
    disk.others_agree(&disk.observe());
}
