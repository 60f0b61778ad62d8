//! Which hosts a plugin may reach: those its policy names, and no others.
//!
//! What is named exactly (`crm.example.com`, `10.0.0.7`, `[::1]:8080`) may be anywhere, in the node's own network
//! too. What only a pattern names (`*.example.com`) must have a public address: whoever can add names there could
//! otherwise point one at the node's own network. An address is never named by a pattern.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// What a policy names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    host: Named,
    /// None: those of `http` and `https`.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Exactly(Host),
    /// Everything below this domain.
    Below(String),
}

/// The ports of a host that is named without one.
const USUAL_PORTS: [u16; 2] = [80, 443];

impl Hosts {
    /// # Errors
    /// Says which entry is none, and why.
    pub fn new(entries: &[String]) -> Result<Hosts, String> {
        entries.iter().map(|entry| Rule::new(entry)).collect::<Result<_, _>>().map(Hosts)
    }

    /// Whether this name is among them itself, and so may have any address.
    pub fn name_exactly(&self, domain: &str) -> bool {
        let host = Host::Domain(plain(domain).to_ascii_lowercase());
        self.0.iter().any(|rule| rule.host == Named::Exactly(host.clone()))
    }
}

/// Whether a plugin that may reach `hosts` may ask for this.
///
/// # Errors
/// Says why not, and what would have to be named.
pub(crate) fn may_reach(hosts: &Hosts, url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is no scheme that is reached; use http or https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("there is a user name or password in the URL; use the header `authorization`".to_owned());
    }
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err("there is no host in the URL".to_owned());
    };
    let host = match host {
        Host::Domain(domain) => Host::Domain(plain(domain).to_owned()),
        Host::Ipv4(address) => Host::Ipv4(address),
        Host::Ipv6(address) => Host::Ipv6(address),
    };
    if hosts.0.iter().any(|rule| rule.is_of(&host, port)) {
        return Ok(());
    }
    let entry = if USUAL_PORTS.contains(&port) { host.to_string() } else { format!("{host}:{port}") };
    Err(format!("`{entry}` is not among the `http-hosts` of the plugin's policy"))
}

impl Rule {
    fn new(entry: &str) -> Result<Rule, String> {
        let wrong = |why: &str| format!("{entry:?} is no host that a plugin may reach: {why}");
        let (below, rest) = match entry.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, entry),
        };
        // In brackets there are colons of another kind.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (rest, None),
        };
        if host.contains(':') && !host.starts_with('[') {
            return Err(wrong("an IPv6 address stands in brackets, such as `[::1]` or `[::1]:8080`"));
        }
        if host.contains('*') {
            return Err(wrong("`*` stands for whole names before a domain only, such as `*.example.com`"));
        }
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port @ 1..)) => Some(port),
            Some(_) => return Err(wrong("a port is a number from 1 to 65535")),
        };
        let host = Host::parse(plain(host)).map_err(|error| wrong(&error.to_string()))?;
        let host = match host {
            Host::Domain(domain) if below => Named::Below(format!(".{domain}")),
            _ if below => return Err(wrong("there is nothing below an address")),
            host => Named::Exactly(host),
        };
        Ok(Rule { host, port })
    }

    fn is_of(&self, host: &Host, port: u16) -> bool {
        let is_of_port = self.port.map_or_else(|| USUAL_PORTS.contains(&port), |named| named == port);
        is_of_port
            && match (&self.host, host) {
                (Named::Exactly(named), host) => named == host,
                (Named::Below(domain), Host::Domain(name)) => {
                    name.strip_suffix(domain.as_str()).is_some_and(|before| !before.is_empty())
                }
                (Named::Below(_), _) => false,
            }
    }
}

/// A name without the dot that says it is a whole one.
fn plain(domain: &str) -> &str {
    domain.strip_suffix('.').unwrap_or(domain)
}

/// Whether an address is one of the public internet, and not of a machine, a private network or a special use
/// (IANA, *Special-Purpose Address Registries*).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || address.is_documentation()
        || (a == 198 && (18..20).contains(&b))
        // Multicast, reserved, and broadcast.
        || a >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, ..] = address.segments();
    let [.., g, h, i, j] = address.octets();
    let embedded = Ipv4Addr::new(g, h, i, j);
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        return is_public_v4(embedded);
    }
    if a == 0x2002 {
        let [b1, b2] = b.to_be_bytes();
        let [c1, c2] = c.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(b1, b2, c1, c2));
    }
    // What is given out; in it the special uses of 2001::/23, and documentation.
    let is_special = (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || (0x3ff0..=0x3fff).contains(&a);
    a & 0xe000 == 0x2000 && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(entries: &[&str]) -> Hosts {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        Hosts::new(&entries).expect("hosts")
    }

    fn reach(entries: &[&str], url: &str) -> Result<(), String> {
        may_reach(&hosts(entries), &Url::parse(url).expect("a URL"))
    }

    #[track_caller]
    fn reached(entries: &[&str], urls: &[&str]) {
        for url in urls {
            assert_eq!(reach(entries, url), Ok(()), "{url} of {entries:?}");
        }
    }

    #[track_caller]
    fn refused(entries: &[&str], urls: &[&str]) {
        for url in urls {
            assert!(reach(entries, url).is_err(), "{url} of {entries:?}");
        }
    }

    #[test]
    fn nothing_is_reached_that_is_not_named() {
        refused(&[], &["http://example.com", "http://localhost", "http://127.0.0.1", "http://[::1]"]);
        let named = ["api.example.com"];
        reached(&named, &["http://api.example.com", "https://api.example.com/a?b#c", "https://api.example.com:443"]);
        refused(
            &named,
            &[
                "http://example.com",
                "http://x.api.example.com",
                "http://api.example.com.evil.org",
                "http://evilapi.example.com",
                "http://api.example.org",
                "ftp://api.example.com",
                "ws://api.example.com",
            ],
        );
    }

    #[test]
    fn case_trailing_dots_and_other_spellings_are_the_same_host() {
        for named in ["api.example.com", "API.Example.COM", "api.example.com."] {
            reached(&[named], &["http://api.example.com", "http://API.EXAMPLE.com", "http://api.example.com."]);
        }
        refused(&["api.example.com"], &["http://api.example.com../"]);
        reached(&["bücher.example"], &["http://xn--bcher-kva.example", "http://BÜCHER.example"]);
        reached(
            &["api.example.com"],
            &["http://%61pi.example.com", "http:\\\\api.example.com\\x", "http:api.example.com"],
        );
    }

    #[test]
    fn a_port_is_one_of_the_usual_or_named() {
        reached(&["a.example"], &["http://a.example:443", "https://a.example:80"]);
        refused(&["a.example"], &["http://a.example:8080", "http://a.example:22"]);
        reached(&["a.example:8080"], &["http://a.example:8080", "https://a.example:8080"]);
        refused(&["a.example:8080"], &["http://a.example", "http://a.example:8081"]);
        reached(&["a.example:80"], &["http://a.example"]);
        refused(&["a.example:80"], &["https://a.example"]);
    }

    #[test]
    fn a_pattern_names_what_is_below_and_no_addresses() {
        reached(&["*.example.com"], &["http://a.example.com", "http://a.b.example.com.", "https://A.EXAMPLE.COM"]);
        refused(
            &["*.example.com"],
            &[
                "http://example.com",
                "http://aexample.com",
                "http://.example.com",
                "http://a.example.com.evil.org",
                "http://a.example.com:8080",
                "http://evil.org/.example.com",
                "http://evil.org#.example.com",
                "http://evil.org?.example.com",
                "http://93.184.216.34",
            ],
        );
        reached(&["*.example.com:8443"], &["https://a.example.com:8443"]);
    }

    #[test]
    fn a_user_name_is_no_host() {
        for url in [
            "http://a.example@evil.org",
            "http://a.example:80@evil.org",
            "http://evil.org@a.example",
            "http://:secret@a.example",
            "http://a.example%2f@evil.org",
        ] {
            refused(&["a.example"], &[url]);
        }
        let error = reach(&["a.example"], "http://kim:secret@a.example").expect_err("refused");
        assert!(error.contains("authorization") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn an_address_is_named_as_itself_however_it_is_written() {
        for same in ["http://127.0.0.1", "http://127.1", "http://2130706433", "http://0x7f.0.0.1", "http://0177.0.0.1"]
        {
            reached(&["127.0.0.1"], &[same]);
            refused(&["localhost", "*.example.com", "10.0.0.1", "[::1]"], &[same]);
        }
        reached(&["127.1"], &["http://127.0.0.1"]);
        reached(&["[::1]"], &["http://[::1]", "http://[0:0:0:0:0:0:0:1]"]);
        reached(&["[::1]:8080"], &["http://[::1]:8080"]);
        refused(&["[::1]:8080"], &["http://[::1]", "http://[::2]:8080"]);
        refused(&["127.0.0.1"], &["http://[::ffff:127.0.0.1]", "http://[::1]", "http://127.0.0.2", "http://localhost"]);
        reached(&["[::ffff:127.0.0.1]"], &["http://[::ffff:7f00:1]"]);
    }

    #[test]
    fn what_is_refused_says_what_would_have_to_be_named() {
        let error = |url: &str| reach(&["a.example"], url).expect_err("refused");
        assert_eq!(error("https://b.example/x"), "`b.example` is not among the `http-hosts` of the plugin's policy");
        assert_eq!(error("http://[::1]:81"), "`[::1]:81` is not among the `http-hosts` of the plugin's policy");
    }

    #[test]
    fn entries_that_are_none_are_named() {
        for (entry, why) in [
            ("", "empty host"),
            ("*", "`*` stands for whole names"),
            ("a.*.example", "`*` stands for whole names"),
            ("*a.example", "`*` stands for whole names"),
            ("*.10.0.0.1", "nothing below an address"),
            ("::1", "in brackets"),
            ("a.example:", "a port is a number"),
            ("a.example:0", "a port is a number"),
            ("a.example:65536", "a port is a number"),
            ("http://a.example", "a port is a number"),
            ("a.example/path", "invalid"),
            ("kim@a.example", "invalid"),
            ("a b", "invalid"),
        ] {
            let error = Hosts::new(&[entry.to_owned()]).expect_err(entry);
            assert!(error.starts_with(&format!("{entry:?} is no host")) && error.contains(why), "{error}");
        }
    }

    #[test]
    fn only_what_is_named_itself_may_be_anywhere() {
        let hosts = hosts(&["crm.internal", "*.example.com", "a.example.com:8080"]);
        for (name, exactly) in
            [("crm.internal", true), ("CRM.internal.", true), ("a.example.com", true), ("b.example.com", false)]
        {
            assert_eq!(hosts.name_exactly(name), exactly, "{name}");
        }
    }

    #[test]
    fn public_addresses_are_told_from_others() {
        for (address, public) in [
            ("93.184.216.34", true),
            ("8.8.8.8", true),
            ("172.32.0.1", true),
            ("100.128.0.1", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.0.0.8", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("203.0.113.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:2800:220:1:248:1893:25c8:1946", true),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::808:808", true),
            ("2002:7f00:1::", false),
            ("2002:a00:1::", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().expect("an address")), public, "{address}");
        }
    }
}
