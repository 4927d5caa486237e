//! Groups and users of the sysroot: one operation, one child process.
//!
//! The tools of the shadow suite run with `--root`, as the reference has them run: they change their
//! root before they read a single file, so a link in the sysroot leads nowhere else. A sysroot needs
//! no more than `/etc/passwd` and `/etc/group` for that.
//!
//! Password hashes go to chpasswd(8) and chgpasswd(8) by standard input: the arguments of a process
//! can be read by every user of the machine, and an image build runs on a machine with users.

mod before;
mod home;
mod made;
mod transaction;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use pilotlight_core::op::{AccountKind, AccountName, AccountOp, AddUser, Field, UserFields};
use rustix::fs::{MemfdFlags, memfd_create};

pub use transaction::{observe, sync};

/// Why an account could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The root is not usable as one.
    #[error("while looking for the root {root:?}: {source}")]
    Root {
        /// The root as it was given.
        root: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A lock that an interrupted run left behind could not be removed.
    #[error("while removing the lock /etc/{lock} that an earlier boot left behind: {source}")]
    Lock {
        /// Its name in /etc.
        lock: String,
        /// What the system said.
        source: io::Error,
    },
    /// What an earlier run was cut off at could not be put back.
    #[error("while putting back {what}: {source}")]
    Restore {
        /// What it was about.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The skeleton could not be copied.
    #[error("while copying the skeleton to the home directory of {name:?}: {source}")]
    Skeleton {
        /// Whose it is.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A home directory that is made could not be looked at.
    #[error("while looking at the home directory of {name:?}: {source}")]
    Look {
        /// Whose it is.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room for a home directory that is to be moved, or it could not be moved.
    #[error("while moving the home directory to {home:?}: {source}")]
    Home {
        /// The home directory as passwd will have it.
        home: String,
        /// What the system said.
        source: io::Error,
    },
    /// usermod(8) moves no home directory onto another.
    #[error(
        "while making room for the home directory {home:?}: it exists already, and what \
         the user's present home directory holds is not mixed into it"
    )]
    HomeExists {
        /// The home directory as passwd would have it.
        home: String,
    },
    /// useradd(8) says that it is done, and is not.
    #[error("while trying to {op}: useradd says that it is done, but {fault}")]
    Unfinished {
        /// The operation as the plan shows it.
        op: String,
        /// What is not as it must be.
        fault: String,
    },
    /// The tool could not do it.
    #[error("while trying to {op}: {source}")]
    Tool {
        /// The operation as the plan shows it.
        op: String,
        /// What the tool said.
        source: ToolError,
    },
}

/// Why a child process did not do its work. Arguments are not shown: some hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// There is no such program, or it does not run.
    #[error("while starting {program}: {source}")]
    Start {
        /// The program.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It ran and could not be talked to.
    #[error("while waiting for {program}: {source}")]
    Wait {
        /// The program.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It ran and failed.
    #[error("{program} failed ({status}): {stderr}")]
    Failed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        stderr: String,
    },
}

fn absolute(root: &Path) -> Result<PathBuf, AccountError> {
    root.canonicalize().map_err(|source| AccountError::Root {
        root: root.into(),
        source,
    })
}

/// Performs one operation on the accounts below `root`.
pub fn apply(op: &AccountOp, root: &Path) -> Result<(), AccountError> {
    if let AccountOp::SetPassword { .. } = op {
        return set_passwords(&[op], root);
    }
    let root = absolute(root)?;
    before::drop_stale_locks(&root)?;
    if let AccountOp::ModifyUser { name, fields } = op
        && let Some(home) = &fields.home_dir
    {
        before::make_room(home.as_str(), &root)?;
        home::relocate(name, home.as_str(), &root)?;
    }
    if let AccountOp::AddUser(user) = op {
        return add_user(op, user, &root);
    }
    let failed = |source| AccountError::Tool {
        op: op.to_string(),
        source,
    };
    let call = match op {
        AccountOp::Restore(restore) => return transaction::restore(restore, &root),
        AccountOp::Adopt { of, name, line } => {
            return transaction::add_line(*of, line, &root).map_err(|source| AccountError::Look {
                name: name.as_str().into(),
                source,
            });
        }
        op => Call::new(op, &root),
    };
    match call.map_or(Ok(()), |call| call.run()) {
        // The account is gone. What it did not own is not its home, whatever passwd says: `daemon`
        // has /usr/sbin there.
        Err(ToolError::Failed {
            program: "userdel",
            status,
            stderr,
        }) if status.code() == Some(12) && stderr.contains("not owned by") => Ok(()),
        done => done.map_err(failed),
    }
}

fn add_user(op: &AccountOp, user: &AddUser, root: &Path) -> Result<(), AccountError> {
    let looking = |source| AccountError::Look {
        name: user.name.as_str().into(),
        source,
    };
    let making = made::begin(user, root).map_err(looking)?;
    (Call::add_user(user, root).run()).map_err(|source| AccountError::Tool {
        op: op.to_string(),
        source,
    })?;
    let Some(making) = making else {
        return Ok(());
    };
    if (making.fault(user, root).map_err(looking)?).is_none() {
        return Ok(());
    }
    (making.complete(user, root)).map_err(|source| AccountError::Skeleton {
        name: user.name.as_str().into(),
        source,
    })?;
    match making.fault(user, root).map_err(looking)? {
        None => Ok(()),
        Some(fault) => Err(AccountError::Unfinished {
            op: op.to_string(),
            fault,
        }),
    }
}

/// Sets passwords of users and groups: one process for all users, one for all groups.
pub fn set_passwords(ops: &[&AccountOp], root: &Path) -> Result<(), AccountError> {
    let root = absolute(root)?;
    before::drop_stale_locks(&root)?;
    for kind in [AccountKind::Group, AccountKind::User] {
        let of_kind: Vec<(&AccountOp, &AccountName, &str)> = ops
            .iter()
            .filter_map(|op| match op {
                AccountOp::SetPassword { of, name, hash } if *of == kind => {
                    Some((*op, name, hash.reveal()))
                }
                _ => None,
            })
            .collect();
        let Some((first, _, _)) = of_kind.first() else {
            continue;
        };
        let named = of_kind.iter().map(|(_, name, hash)| (*name, *hash));
        match Call::passwords(kind, named, &root).run() {
            Err(ToolError::Start { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                for (op, name, hash) in &of_kind {
                    let done = Call::password_by_argument(kind, name, hash, &root).run();
                    done.map_err(|source| AccountError::Tool {
                        op: op.to_string(),
                        source,
                    })?;
                }
            }
            done => done.map_err(|source| AccountError::Tool {
                op: match of_kind.len() {
                    1 => first.to_string(),
                    many => format!("set the passwords of {many} accounts"),
                },
                source,
            })?,
        }
    }
    Ok(())
}

/// What is called for an operation.
struct Call {
    program: &'static str,
    args: Vec<OsString>,
    stdin: Option<String>,
    /// What must not appear in an error.
    secrets: Vec<String>,
}

impl Call {
    /// `None` for what is done without a tool, or for many at once.
    fn new(op: &AccountOp, root: &Path) -> Option<Self> {
        Some(match op {
            AccountOp::Restore(_) | AccountOp::Adopt { .. } | AccountOp::SetPassword { .. } => {
                return None;
            }
            AccountOp::AddGroup { name, gid, system } => {
                let mut call = Self::on_root("groupadd", root);
                call.option("--gid", gid.map(|gid| gid.to_string()));
                call.flag("--system", *system);
                call.named(name)
            }
            AccountOp::ModifyGroup { name, gid } => {
                let mut call = Self::on_root("groupmod", root);
                call.option("--gid", Some(gid.to_string()));
                call.named(name)
            }
            AccountOp::DeleteGroup { name } => Self::on_root("groupdel", root).named(name),
            AccountOp::AddUser(user) => Self::add_user(user, root),
            AccountOp::ModifyUser { name, fields } => {
                let mut call = Self::on_root("usermod", root);
                call.fields(fields, "--home");
                call.named(name)
            }
            AccountOp::DeleteUser { name, .. } => {
                let mut call = Self::on_root("userdel", root);
                call.flag("--remove", true);
                call.named(name)
            }
        })
    }

    fn passwords<'a>(
        of: AccountKind,
        named: impl Iterator<Item = (&'a AccountName, &'a str)>,
        root: &Path,
    ) -> Self {
        let mut call = match of {
            AccountKind::User => Self::on_root("chpasswd", root),
            AccountKind::Group => Self::on_root("chgpasswd", root),
        };
        call.flag("--encrypted", true);
        let mut lines = String::new();
        for (name, hash) in named {
            lines.extend([name.as_str(), ":", hash, "\n"]);
            call.secrets.push(hash.into());
        }
        call.stdin = Some(lines);
        call
    }

    fn add_user(user: &AddUser, root: &Path) -> Self {
        let mut call = Self::on_root("useradd", root);
        call.option("--password", Some("*"));
        call.flag("--create-home", user.create_home);
        call.flag("--no-create-home", !user.create_home);
        call.flag("--no-user-group", user.no_user_group);
        call.flag("--no-log-init", user.no_log_init);
        call.flag("--system", user.system);
        call.fields(&user.fields, "--home-dir");
        call.named(&user.name)
    }

    /// For initramfs images that were made for the reference and hold only the tools that it uses.
    fn password_by_argument(of: AccountKind, name: &AccountName, hash: &str, root: &Path) -> Self {
        let mut call = match of {
            AccountKind::User => Self::on_root("usermod", root),
            AccountKind::Group => Self::on_root("groupmod", root),
        };
        call.option("--password", Some(hash));
        call.secrets.push(hash.into());
        call.named(name)
    }

    fn on_root(program: &'static str, root: &Path) -> Self {
        Self {
            program,
            // On the running root no change of the root is needed, which would ask for one more right.
            args: match root == Path::new("/") {
                true => Vec::new(),
                false => vec!["--root".into(), root.into()],
            },
            stdin: None,
            secrets: Vec::new(),
        }
    }

    fn option(&mut self, name: &str, value: Option<impl AsRef<OsStr>>) {
        if let Some(value) = value {
            self.args.extend([name.into(), value.as_ref().into()]);
        }
    }

    fn flag(&mut self, name: &str, is: bool) {
        if is {
            self.args.push(name.into());
        }
    }

    fn fields(&mut self, fields: &UserFields, home: &str) {
        self.option("--uid", fields.uid.map(|uid| uid.to_string()));
        let main_group = fields.primary_group.as_ref();
        self.option("--gid", main_group.map(AccountName::as_str));
        let groups: Vec<&str> = fields.groups.iter().map(AccountName::as_str).collect();
        self.option("--groups", (!groups.is_empty()).then(|| groups.join(",")));
        let text = |field: &Option<Field>| field.as_ref().map(|text| text.as_str().to_string());
        self.option(home, text(&fields.home_dir));
        self.option("--shell", text(&fields.shell));
        self.option("--comment", text(&fields.gecos));
    }

    fn named(mut self, name: &AccountName) -> Self {
        self.args.extend(["--".into(), name.as_str().into()]);
        self
    }

    fn run(&self) -> Result<(), ToolError> {
        let stdin = self.stdin.as_deref().map(str::as_bytes);
        run(self.program, &self.args, stdin).map_err(|error| match error {
            ToolError::Failed {
                program,
                status,
                mut stderr,
            } => {
                // A password that is disabled is "*", which is no secret and may stand anywhere.
                for secret in self.secrets.iter().filter(|secret| secret.len() > 1) {
                    stderr = stderr.replace(secret.as_str(), "(hidden)");
                }
                ToolError::Failed {
                    program,
                    status,
                    stderr,
                }
            }
            error => error,
        })
    }
}

/// Longest end of a program's words that an error repeats, in bytes.
const STDERR_TAIL: usize = 2000;

/// Runs a program to its end and keeps the end of what it says.
fn run(program: &'static str, args: &[OsString], stdin: Option<&[u8]>) -> Result<(), ToolError> {
    let wait = |source| ToolError::Wait { program, source };
    let output = Command::new(program)
        .args(args)
        // Its words are shown to people who may search for them.
        .env("LC_ALL", "C")
        .stdin(stdin.map_or(Ok(Stdio::null()), in_memory).map_err(wait)?)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|source| ToolError::Start { program, source })?;
    if !output.status.success() {
        let start = output.stderr.len().saturating_sub(STDERR_TAIL);
        return Err(ToolError::Failed {
            program,
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr[start..])
                .trim()
                .into(),
        });
    }
    Ok(())
}

/// Input that need not be written while a program runs, so that neither side waits for the other.
fn in_memory(bytes: &[u8]) -> io::Result<Stdio> {
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).unwrap()
    }

    fn line(op: &AccountOp) -> String {
        let call = Call::new(op, Path::new("/sysroot")).unwrap();
        words(&call)
    }

    fn words(call: &Call) -> String {
        let args: Vec<&str> = call.args.iter().map(|arg| arg.to_str().unwrap()).collect();
        format!("{} {}", call.program, args.join(" "))
    }

    #[test]
    fn every_field_becomes_an_argument() {
        let fields = UserFields {
            uid: Some(1500),
            primary_group: Some(name("users")),
            groups: vec![name("docker"), name("wheel")],
            home_dir: Some(Field::parse("/var/home/a").unwrap()),
            shell: Some(Field::parse("/bin/zsh").unwrap()),
            gecos: Some(Field::parse("--root").unwrap()),
        };
        let given = "--uid 1500 --gid users --groups docker,wheel";
        let add = AccountOp::AddUser(AddUser {
            name: name("a"),
            fields: fields.clone(),
            create_home: true,
            no_user_group: true,
            no_log_init: true,
            system: true,
        });
        assert_eq!(
            line(&add),
            format!(
                "useradd --root /sysroot --password * --create-home --no-user-group --no-log-init \
                 --system {given} --home-dir /var/home/a --shell /bin/zsh --comment --root -- a"
            )
        );
        let name = name("a");
        assert_eq!(
            line(&AccountOp::ModifyUser { name, fields }),
            format!(
                "usermod --root /sysroot {given} --home /var/home/a --shell /bin/zsh \
                 --comment --root -- a"
            )
        );
    }

    #[test]
    fn a_hash_is_no_argument() {
        for (of, program) in [
            (AccountKind::User, "chpasswd"),
            (AccountKind::Group, "chgpasswd"),
        ] {
            let named = [(&name("a"), "$6$salt$hash"), (&name("b"), "*")];
            let call = Call::passwords(of, named.into_iter(), Path::new("/sysroot"));
            assert_eq!(
                words(&call),
                format!("{program} --root /sysroot --encrypted")
            );
            assert_eq!(call.stdin.as_deref(), Some("a:$6$salt$hash\nb:*\n"));
        }
    }

    #[test]
    fn an_error_repeats_the_end_of_what_was_said_and_no_secret() {
        let failing = |script: String, secret: Option<&str>| {
            let call = Call {
                program: "sh",
                args: vec!["-c".into(), script.into()],
                stdin: Some("input\n".into()),
                secrets: secret.map(String::from).into_iter().collect(),
            };
            call.run().unwrap_err().to_string()
        };
        let said = failing(
            "echo no $6$x >&2; exit 9".replace("$6$x", "hash"),
            Some("hash"),
        );
        assert_eq!(said, "sh failed (exit status: 9): no (hidden)");
        let long = failing(
            "head -c 100000 /dev/zero | tr '\\0' x >&2; echo END >&2; exit 1".into(),
            None,
        );
        assert!(long.ends_with("END") && long.len() < 2200, "{}", long.len());
        assert!(failing("kill -9 $$".into(), None).contains("signal: 9"));
    }

    #[test]
    fn a_root_that_is_none_is_an_error() {
        let op = AccountOp::DeleteGroup { name: name("a") };
        let error = apply(&op, Path::new("/nonexistent/root")).unwrap_err();
        assert!(
            error.to_string().starts_with("while looking for the root"),
            "{error}"
        );
    }
}
