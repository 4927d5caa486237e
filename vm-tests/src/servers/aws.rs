//! EC2's instance metadata service, version 2 only: no answer without a token.

use super::{Facts, Request, Response, Service};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// Seconds.
const LONGEST_TTL: u32 = 21_600;

/// The service.
pub struct Aws {
    facts: Facts,
    /// Answers that are left of each token; its index is its name.
    tokens: Vec<Option<u32>>,
}

impl Aws {
    /// Without a token so far.
    pub fn new(facts: Facts) -> Self {
        Self {
            facts,
            tokens: Vec::new(),
        }
    }

    fn token(&mut self, request: &Request) -> Response {
        if request.path() != "/latest/api/token" {
            return Response::status(403);
        }
        let ttl: Option<u32> = request.header(TTL).and_then(|value| value.parse().ok());
        match ttl {
            Some(ttl @ 1..=LONGEST_TTL) => {
                let token = format!("secret-token-{}==", self.tokens.len());
                self.tokens.push(self.facts.token_uses);
                Response::ok(token).header(TTL, &ttl.to_string())
            }
            _ => Response::status(400),
        }
    }

    /// A token that was given and has not expired.
    fn is_known(&mut self, token: &str) -> bool {
        let number = token.strip_prefix("secret-token-");
        let number = number.and_then(|rest| rest.strip_suffix("=="));
        let number: Option<usize> = number.and_then(|digits| digits.parse().ok());
        match number.and_then(|number| self.tokens.get_mut(number)) {
            None | Some(Some(0)) => false,
            Some(None) => true,
            Some(Some(left)) => {
                *left -= 1;
                true
            }
        }
    }

    /// Of the only interface.
    fn interface(&self, item: &str) -> Option<String> {
        let mac = crate::network::MAC;
        let known = match item.strip_prefix(mac) {
            None => return item.is_empty().then(|| format!("{mac}/")),
            Some(rest) => rest,
        };
        let text = match known.trim_start_matches('/') {
            "device-number" => "0",
            "interface-id" => "eni-0123456789abcdef0",
            "subnet-ipv4-cidr-block" => "10.0.2.0/24",
            "local-ipv4s" => {
                let own = std::iter::once("10.0.2.50");
                let all = own.chain(self.facts.secondary.iter().map(String::as_str));
                return Some(all.collect::<Vec<_>>().join("\n"));
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn meta_data(&self, item: &str) -> Option<String> {
        if let Some(number) = item.strip_prefix("public-keys/") {
            let keys = &self.facts.keys;
            if number.is_empty() {
                let names = (0..keys.len()).map(|number| format!("{number}=key-{number}"));
                return (!keys.is_empty()).then(|| names.collect::<Vec<_>>().join("\n"));
            }
            let number = number.strip_suffix("/openssh-key")?;
            // AWS ends a key with a line feed.
            return Some(format!("{}\n", keys.get(number.parse::<usize>().ok()?)?));
        }
        if let Some(item) = item.strip_prefix("network/interfaces/macs/") {
            return self.interface(item);
        }
        Some(
            match item {
                "public-keys" => return self.meta_data("public-keys/"),
                "hostname" | "local-hostname" => &self.facts.host_name,
                "instance-id" => "i-0123456789abcdef0",
                "instance-type" => "m5.large",
                "instance-life-cycle" => "on-demand",
                "mac" => crate::network::MAC,
                "local-ipv4" => "10.0.2.50",
                "placement/availability-zone" => "eu-central-1a",
                "placement/availability-zone-id" => "euc1-az2",
                "placement/region" => "eu-central-1",
                _ => return None,
            }
            .to_owned(),
        )
    }
}

impl Service for Aws {
    fn answer(&mut self, request: &Request) -> Response {
        if request.header("x-forwarded-for").is_some() {
            return Response::status(403);
        }
        match request.method.as_str() {
            "PUT" => return self.token(request),
            "GET" | "HEAD" => {}
            _ => return Response::status(405),
        }
        if !request
            .header(TOKEN)
            .is_some_and(|token| self.is_known(token))
        {
            return Response::status(401);
        }
        let mut parts = request.path().splitn(3, '/').skip(1);
        let (version, item) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        if version != "latest" && !is_date(version) {
            return Response::status(404);
        }
        match item {
            "user-data" => Response::found(self.facts.user_data.clone()),
            "dynamic/instance-identity/document" => Response::ok(
                r#"{"region":"eu-central-1","instanceId":"i-0123456789abcdef0","instanceType":"m5.large"}"#,
            ),
            _ => match item.strip_prefix("meta-data/") {
                Some(item) => Response::found(self.meta_data(item)),
                None => Response::status(404),
            },
        }
    }
}

/// `YYYY-MM-DD`
fn is_date(version: &str) -> bool {
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    version.bytes().map(shape).eq(*b"0000-00-00")
}

#[cfg(test)]
mod tests {
    use super::{Aws, TOKEN, TTL};
    use crate::servers::{Facts, Request, Service};

    fn ask(aws: &mut Aws, method: &str, target: &str, header: Option<(&str, &str)>) -> u16 {
        let headers = header.map(|(name, value)| (name.to_owned(), value.to_owned()));
        aws.answer(&Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.into_iter().collect(),
            body: Vec::new(),
        })
        .status
    }

    #[test]
    fn only_a_fresh_token_opens_it() {
        let mut aws = Aws::new(Facts {
            user_data: Some(b"{}".to_vec()),
            host_name: "node".to_owned(),
            keys: vec!["ssh-ed25519 AAAA".to_owned()],
            forwarded: Vec::new(),
            secondary: Vec::new(),
            token_uses: Some(2),
        });
        let token = "/latest/api/token";
        assert_eq!(ask(&mut aws, "GET", "/latest/user-data", None), 401);
        assert_eq!(ask(&mut aws, "PUT", token, None), 400);
        assert_eq!(ask(&mut aws, "PUT", token, Some((TTL, "21601"))), 400);
        assert_eq!(
            ask(&mut aws, "PUT", "/2019-10-01/api/token", Some((TTL, "60"))),
            403
        );
        assert_eq!(ask(&mut aws, "PUT", token, Some((TTL, "60"))), 200);
        let first = Some((TOKEN, "secret-token-0=="));
        assert_eq!(ask(&mut aws, "GET", "/2019-10-01/user-data", first), 200);
        assert_eq!(ask(&mut aws, "GET", "/latest/meta-data/none", first), 404);
        assert_eq!(
            ask(&mut aws, "GET", "/latest/meta-data/hostname", first),
            401
        );
        assert_eq!(ask(&mut aws, "PUT", token, Some((TTL, "60"))), 200);
        let second = Some((TOKEN, "secret-token-1=="));
        let key = "/2021-01-03/meta-data/public-keys/0/openssh-key";
        assert_eq!(ask(&mut aws, "GET", key, second), 200);
        assert_eq!(
            ask(&mut aws, "GET", key, Some((TOKEN, "secret-token-2=="))),
            401
        );
    }
}
