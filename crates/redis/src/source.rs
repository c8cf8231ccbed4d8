//! The addresses of Redis, parsed from a URL.

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisResult, TlsCertificates,
};

use crate::error::{Error, ErrorKind};

/// The addresses of Redis.
pub(crate) enum Source {
    /// Servers; the first usable one is used.
    Servers(Vec<ConnectionInfo>),
    /// Sentinels, which know the address of a server.
    Sentinels {
        sentinels: Vec<ConnectionInfo>,
        /// The name of the servers that the sentinels watch.
        name: String,
        /// How to connect to the server, except for its address.
        server: Box<ConnectionInfo>,
    },
}

/// A user of sentinels, and its password.
pub(crate) struct SentinelUser {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl Source {
    /// Parses a URL. The certificates replace those of the system, and are only valid for a URL with TLS.
    /// A user of sentinels is only valid for a URL with sentinels.
    pub(crate) fn read(
        url: &str,
        certificates: Option<&TlsCertificates>,
        sentinel_user: Option<&SentinelUser>,
    ) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| Error::url("it has no scheme"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let connect = |url: &str| connection(url, certificates);
        let Some(scheme) = scheme.strip_suffix("+sentinel") else {
            let servers = hosts.split(',').map(|host| connect(&format!("{scheme}://{user}{host}{path}")));
            if sentinel_user.is_some() {
                let fault = "a user of sentinels needs a URL that begins with `redis+sentinel://`";
                return Err(ErrorKind::Setting(fault).into());
            }
            return Ok(Self::Servers(servers.collect::<Result<_, _>>()?));
        };
        let path = path.strip_prefix('/').unwrap_or_default();
        let end = path.find(['/', '?', '#']).unwrap_or(path.len());
        let (name, path) = path.split_at(end);
        if name.is_empty() {
            return Err(Error::url(
                "the name of the servers is missing after the addresses of the sentinels",
            ));
        }
        let sentinels = hosts.split(',').map(|host| {
            let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
            let info = connect(&format!("{scheme}://{host}{}", if has_port { "" } else { ":26379" }))?;
            let Some(SentinelUser { name, password }) = sentinel_user else { return Ok(info) };
            let settings = info.redis_settings().clone().set_username(name).set_password(password);
            Ok(info.set_redis_settings(settings))
        });
        let sentinels = sentinels.collect::<Result<_, Error>>()?;
        let first = hosts.split(',').next().unwrap_or_default();
        let server = Box::new(connect(&format!("{scheme}://{user}{first}{path}"))?);
        Ok(Self::Sentinels { sentinels, name: name.to_owned(), server })
    }
}

/// Reads the URL of one server.
fn connection(url: &str, certificates: Option<&TlsCertificates>) -> Result<ConnectionInfo, Error> {
    let fault = |error: redis::RedisError| Error::url(error.to_string());
    let info = url.into_connection_info().map_err(fault)?;
    let info = match (info.addr(), certificates) {
        (ConnectionAddr::TcpTls { insecure: true, .. }, _) => {
            return Err(Error::url("TLS without a check of certificates is not supported"));
        }
        (_, None) => info,
        (_, Some(certificates)) => {
            let client = Client::build_with_tls(info, certificates.clone()).map_err(fault)?;
            client.get_connection_info().clone()
        }
    };
    // Commands are small, and must not wait to be sent together with others.
    let tcp = TcpSettings::default().set_nodelay(true);
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    Ok(info.set_tcp_settings(tcp).set_redis_settings(settings))
}

/// Returns how to connect to a server at another address.
pub(crate) fn moved(info: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let mut address = info.addr().clone();
    match &mut address {
        ConnectionAddr::TcpTls { host: old_host, port: old_port, .. } => {
            host.clone_into(old_host);
            *old_port = port;
        }
        other => *other = ConnectionAddr::Tcp(host.to_owned(), port),
    }
    info.clone().set_addr(address)
}

/// Reads `host:port`, where an IPv6 address has no brackets.
pub(crate) fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

/// Installs a cryptography provider for TLS, unless the host has installed one.
pub(crate) fn prepare_tls(info: &ConnectionInfo) {
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_tls && rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails if another thread has just installed one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Creates a client, which does not connect yet.
pub(crate) fn client(info: &ConnectionInfo) -> RedisResult<Client> {
    prepare_tls(info);
    Client::open(info.clone())
}

/// Checks the prefix of the names of all keys and channels.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), Error> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-/".contains(&byte);
    if prefix.is_empty() || prefix.len() > 128 || !prefix.bytes().all(is_plain) {
        let fault = "a prefix must have 1 to 128 of the characters A-Z, a-z, 0-9 and `._:-/`";
        return Err(ErrorKind::Setting(fault).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::{SentinelUser, Source, check_prefix, host_and_port};

    fn servers(url: &str) -> Vec<String> {
        match Source::read(url, None, None) {
            Ok(Source::Servers(servers)) => servers.iter().map(|info| info.addr().to_string()).collect(),
            Ok(Source::Sentinels { sentinels, name, server }) => {
                let database = server.redis_settings().db();
                let settings = server.redis_settings();
                let user = settings.username().unwrap_or("-").to_owned();
                let ends = [name, database.to_string(), user];
                sentinels.iter().map(|info| info.addr().to_string()).chain(ends).collect()
            }
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn a_url_names_servers_or_sentinels() {
        assert_eq!(servers("redis://localhost"), ["localhost:6379"]);
        assert_eq!(servers("valkeys://u:p%40@a,b:7/3"), ["a:6379", "b:7"]);
        assert_eq!(servers("redis://[::1]:7,[::2]"), ["::1:7", "::2:6379"]);
        let sentinels = ["a:26379", "b:7", "::1:26379", "main", "2", "u"];
        assert_eq!(servers("redis+sentinel://u:p@a,b:7,[::1]/main/2"), sentinels);
        let Ok(Source::Servers(servers)) = Source::read("rediss://a", None, None) else {
            panic!("one server")
        };
        assert!(matches!(servers[0].addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
    }

    #[test]
    fn sentinels_and_their_servers_have_separate_users() {
        let user = SentinelUser { name: "watcher".to_owned(), password: "p".to_owned() };
        let url = "redis+sentinel://u:q@a,b/main";
        let Ok(Source::Sentinels { sentinels, server, .. }) = Source::read(url, None, Some(&user)) else {
            panic!("sentinels")
        };
        for info in &sentinels {
            let settings = info.redis_settings();
            assert_eq!((settings.username(), settings.password()), (Some("watcher"), Some("p")));
        }
        let settings = server.redis_settings();
        assert_eq!((settings.username(), settings.password()), (Some("u"), Some("q")));
        let Err(error) = Source::read("redis://a", None, Some(&user)) else { panic!("no sentinels") };
        assert!(error.to_string().contains("redis+sentinel://"), "{error}");
    }

    #[test]
    fn a_url_that_is_not_valid_is_refused_without_being_repeated() {
        for url in [
            "localhost:6379",
            "http://secret@a",
            "redis://secret@a:port",
            "redis://secret@a/x",
            "redis+sentinel://secret@a",
            "redis://secret@",
            "rediss://secret@a/#insecure",
        ] {
            let error = servers(url).remove(0);
            assert!(error.starts_with("the URL of Redis is not valid: "), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn addresses_and_prefixes_are_read() {
        assert_eq!(host_and_port("::1:7000"), Some(("::1", 7000)));
        assert_eq!(host_and_port("a:x"), None);
        assert!(check_prefix("tracker:eu-1").is_ok());
        for prefix in ["", "{a}", "a b", "é", &"a".repeat(129)] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }
}
