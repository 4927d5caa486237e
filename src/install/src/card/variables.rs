//! The firmware's variables inside `RPI_EFI.fd`: a firmware volume of edk2 with a store of authenticated variables.
//!
//! The Raspberry Pi has no memory of its own for them; the firmware keeps them in its own file on the card. Sources:
//! edk2's `VariableFormat.h` and `PiFirmwareVolume.h`; edk2-platforms' `RPi4/Readme.md` and `ConfigVars.h`.

use std::ops::Range;

use thiserror::Error;

/// A GUID as it is on the disk.
pub type Guid = [u8; 16];

/// Whose settings are those of the Raspberry Pi: cd7cc258-31db-22e6-9f22-63b0b8eed6b5.
pub const RASPBERRY_PI: Guid = guid(0xcd7c_c258, 0x31db, 0x22e6, 0x9f22_63b0_b8ee_d6b5);
/// Whose file system a volume of variables has: fff12b8d-7696-4c8b-a985-2747075b4f50.
const VARIABLE_VOLUME: Guid = guid(0xfff1_2b8d, 0x7696, 0x4c8b, 0xa985_2747_075b_4f50);
/// A store of authenticated variables: aaf32c78-947b-439a-a180-2e144ec37792.
const AUTHENTICATED: Guid = guid(0xaaf3_2c78, 0x947b, 0x439a, 0xa180_2e14_4ec3_7792);

/// What the firmware gives its own settings: kept, for boot services, for the running system.
const ATTRIBUTES: u32 = 7;
/// Bytes of the head of a store, and of a variable.
const STORE_HEAD: usize = 28;
const HEAD: usize = 60;
/// The state of a variable that is whole, and of one that another is about to take the place of.
const ADDED: u8 = 0x3f;
const IN_TRANSITION: u8 = 0x3e;
/// More than any store has room for.
const MOST_VARIABLES: usize = 20_000;

const fn guid(a: u32, b: u16, c: u16, d: u64) -> Guid {
    let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) =
        (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    let [d0, d1, d2, d3, d4, d5, d6, d7] = d.to_be_bytes();
    [
        a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7,
    ]
}

/// Why the variables of a firmware were not read, or not set.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum VariablesError {
    /// There is no place for variables.
    #[error(
        "it has no store of variables: it is not the firmware of edk2 for the Raspberry Pi, or of a version that nobody here knows"
    )]
    NoStore,
    /// There are several, and which one the firmware reads is not known.
    #[error("it has {0} stores of variables: which one the firmware reads cannot be told")]
    Several(usize),
    /// The store's head says what cannot be.
    #[error("its store of variables at byte {at} cannot be used: {what}")]
    Store {
        /// Where it begins.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A variable's head says what cannot be.
    #[error("its variable at byte {at} cannot be read: {what}")]
    Variable {
        /// Where it begins.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A setting is there, and is no number of four bytes.
    #[error(
        "its variable {name} has {size} bytes where 4 are expected: this version of the firmware has other settings"
    )]
    Size {
        /// The variable.
        name: String,
        /// Its bytes.
        size: usize,
    },
    /// There is no room for another one.
    #[error("its store of variables has no room for {name}: {free} bytes are free")]
    Full {
        /// The variable.
        name: String,
        /// Bytes.
        free: usize,
    },
}

/// One variable that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: Guid,
    /// What it may be used for.
    pub attributes: u32,
    /// Where its value is in the file.
    pub value: Range<usize>,
    transition: bool,
}

/// Where variables are in a file, and which ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The variables that hold, in their order.
    pub variables: Vec<Variable>,
    /// The whole volume that it is in.
    pub volume: Range<usize>,
    /// What is not used yet, erased.
    free: Range<usize>,
}

impl Store {
    /// Finds the store in a firmware's file and reads all of its variables.
    pub fn read(file: &[u8]) -> Result<Store, VariablesError> {
        let found: Vec<usize> = volumes(file).collect();
        let at = match found[..] {
            [] => return Err(VariablesError::NoStore),
            [at] => at,
            _ => return Err(VariablesError::Several(found.len())),
        };
        let store = |what| VariablesError::Store { at, what };
        // Both in range: `volumes` looked.
        let place = at..at + volume_length(file, at).unwrap_or(0);
        let volume = &file[place.clone()];
        let head = usize::from(short(volume, 48).unwrap_or(0));
        let bytes = volume
            .get(head..)
            .ok_or(store("its head is longer than the volume"))?;
        if bytes.get(..16) != Some(&AUTHENTICATED) {
            return Err(store("it is no store of authenticated variables"));
        }
        let size = long(bytes, 16).ok_or(store("it ends within its head"))? as usize;
        if !(STORE_HEAD..=bytes.len()).contains(&size) {
            return Err(store("it is larger than its volume"));
        }
        if bytes.get(20..22) != Some(&[0x5a, 0xfe]) {
            return Err(store("it is not formatted, or not whole"));
        }
        let begin = at + head;
        let (mut variables, end) = variables(file, begin + STORE_HEAD..begin + size)?;
        // One that is being replaced counts where the new one was not written.
        let whole: Vec<_> = variables
            .iter()
            .filter(|variable| !variable.transition)
            .cloned()
            .collect();
        variables.retain(|variable| {
            !variable.transition
                || !whole
                    .iter()
                    .any(|other| other.name == variable.name && other.owner == variable.owner)
        });
        Ok(Store {
            variables,
            volume: place,
            free: end..begin + size,
        })
    }

    /// The value of a setting of the Raspberry Pi; none where the firmware's own default holds.
    pub fn setting(&self, file: &[u8], name: &str) -> Result<Option<u32>, VariablesError> {
        let Some(variable) = self.find(name) else {
            return Ok(None);
        };
        match file.get(variable.value.clone()) {
            Some([a, b, c, d]) => Ok(Some(u32::from_le_bytes([*a, *b, *c, *d]))),
            _ => Err(VariablesError::Size {
                name: name.into(),
                size: variable.value.len(),
            }),
        }
    }

    fn find(&self, name: &str) -> Option<&Variable> {
        self.variables
            .iter()
            .find(|variable| variable.owner == RASPBERRY_PI && variable.name == name)
    }
}

/// Sets a setting of the Raspberry Pi in a firmware's file. Every other byte stays what it is; one that has the value
/// already changes nothing.
pub fn set(file: &mut [u8], name: &str, value: u32) -> Result<(), VariablesError> {
    let store = Store::read(file)?;
    if store.setting(file, name)?.is_some() {
        if let Some(variable) = store.find(name) {
            file[variable.value.clone()].copy_from_slice(&value.to_le_bytes());
        }
        return Ok(());
    }
    let record = record(name, value);
    let full = || VariablesError::Full {
        name: name.into(),
        free: store.free.len(),
    };
    let free = file.get_mut(store.free.clone()).ok_or_else(full)?;
    // All of it, not the new one's place alone: what is left behind that would be read as the next variable.
    if let Some(dirty) = free.iter().position(|byte| *byte != 0xff) {
        return Err(VariablesError::Variable {
            at: store.free.start + dirty,
            what: "what follows the last one is not erased",
        });
    }
    let room = free.get_mut(..record.len()).ok_or_else(full)?;
    room.copy_from_slice(&record);
    Ok(())
}

/// A new variable as the firmware writes one.
fn record(name: &str, value: u32) -> Vec<u8> {
    let name: Vec<u8> = name
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut record = vec![0; HEAD];
    record[..4].copy_from_slice(&[0xaa, 0x55, ADDED, 0]);
    record[4..8].copy_from_slice(&ATTRIBUTES.to_le_bytes());
    record[36..40].copy_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
    record[40..44].copy_from_slice(&4u32.to_le_bytes());
    record[44..60].copy_from_slice(&RASPBERRY_PI);
    record.extend(name);
    record.extend(value.to_le_bytes());
    // The next one begins at a multiple of four, and what is between is erased.
    record.resize(record.len().next_multiple_of(4), 0xff);
    record
}

/// Reads variable after variable; also where the last one ends.
fn variables(file: &[u8], store: Range<usize>) -> Result<(Vec<Variable>, usize), VariablesError> {
    let mut found = Vec::new();
    // edk2 aligns within the file's address, which the store's own head is aligned to.
    let mut at = store.start.next_multiple_of(4);
    while let Some(head) = file.get(at..at + HEAD).filter(|_| at + HEAD <= store.end) {
        if head[..2] != [0xaa, 0x55] {
            break;
        }
        let broken = |what| VariablesError::Variable { at, what };
        let (name_size, size) = (
            long(head, 36).unwrap_or(0) as usize,
            long(head, 40).unwrap_or(0) as usize,
        );
        let name_at = at + HEAD;
        let value_at = name_at
            .checked_add(name_size)
            .ok_or(broken("it has no end"))?;
        let end = value_at.checked_add(size).ok_or(broken("it has no end"))?;
        if end > store.end {
            return Err(broken("it ends behind the store"));
        }
        if found.len() == MOST_VARIABLES {
            return Err(broken("there are too many before it"));
        }
        if matches!(head[2], ADDED | IN_TRANSITION) {
            let units: Vec<u16> = file[name_at..value_at]
                .as_chunks::<2>()
                .0
                .iter()
                .map(|unit| u16::from_le_bytes(*unit))
                .take_while(|unit| *unit != 0)
                .collect();
            let mut owner = [0; 16];
            owner.copy_from_slice(&head[44..60]);
            found.push(Variable {
                name: String::from_utf16_lossy(&units),
                owner,
                attributes: long(head, 4).unwrap_or(0),
                value: value_at..end,
                transition: head[2] == IN_TRANSITION,
            });
        }
        at = end.next_multiple_of(4);
    }
    Ok((found, at.min(store.end)))
}

/// Where volumes of variables begin: their file system's GUID, their signature and the sum of their head say so.
fn volumes(file: &[u8]) -> impl Iterator<Item = usize> {
    (0..file.len()).step_by(16).filter(|at| {
        file.get(at + 16..at + 32) == Some(&VARIABLE_VOLUME)
            && file.get(at + 40..at + 44) == Some(b"_FVH")
            && volume_length(file, *at).is_some_and(|length| length <= file.len() - at)
            && head_is_whole(&file[*at..])
    })
}

fn volume_length(file: &[u8], at: usize) -> Option<usize> {
    let bytes: [u8; 8] = file.get(at + 32..at + 40)?.try_into().ok()?;
    usize::try_from(u64::from_le_bytes(bytes)).ok()
}

/// The words of a volume's head add up to zero.
fn head_is_whole(volume: &[u8]) -> bool {
    let length = usize::from(short(volume, 48).unwrap_or(0));
    (56..=4096).contains(&length)
        && volume.get(..length).is_some_and(|head| {
            let words = head.as_chunks::<2>().0.iter();
            words.fold(0u16, |sum, word| {
                sum.wrapping_add(u16::from_le_bytes(*word))
            }) == 0
        })
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
