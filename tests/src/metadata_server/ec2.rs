//! EC2's service of a machine with two interfaces, of which the second comes and goes.

/// The hardware address of the first interface.
pub const FIRST: &str = "02:00:00:00:0a:01";
/// That of the second one.
pub const SECOND: &str = "02:00:00:00:0a:02";

/// What the service says.
#[derive(Debug, Clone, Copy)]
pub struct Says {
    /// Addresses of the first interface.
    pub own: &'static str,
    /// Number of the second interface; `None` where it is not attached.
    pub second: Option<&'static str>,
    /// Its addresses; `None` where the service does not know them.
    pub addresses: Option<&'static str>,
}

/// Only the first interface is attached.
pub const BEGIN: Says = Says {
    own: "10.0.1.20\n10.0.1.21",
    second: None,
    addresses: Some("10.0.2.20\n10.0.2.21"),
};

impl Says {
    /// What is answered to the path of a request.
    pub fn answer(&self, path: &str) -> Option<String> {
        let key = path.split_once("/meta-data/")?.1;
        let macs = "network/interfaces/macs/";
        if key == "mac" {
            return Some(FIRST.into());
        }
        if key == macs {
            return Some(match self.second {
                Some(_) => format!("{FIRST}/\n{SECOND}/"),
                None => format!("{FIRST}/"),
            });
        }
        let (mac, key) = key.strip_prefix(macs)?.split_once('/')?;
        let text = match (mac, key) {
            (FIRST, "device-number") => "0",
            (FIRST, "interface-id") => "eni-1",
            (FIRST, "local-ipv4s") => self.own,
            (FIRST, "subnet-ipv4-cidr-block") => "10.0.1.0/24",
            (SECOND, "device-number") => self.second?,
            (SECOND, "interface-id") => self.second.map(|_| "eni-2")?,
            (SECOND, "local-ipv4s") => self.second.and(self.addresses)?,
            (SECOND, "subnet-ipv4-cidr-block") => self.second.map(|_| "10.0.2.0/24")?,
            (SECOND, "ipv4-prefix") => self.second.map(|_| "10.0.2.32/28")?,
            _ => return None,
        };
        Some(text.into())
    }
}
