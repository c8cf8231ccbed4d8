//! Hosts, origins, and CORS.

use http::{Method, Request, Uri};
use mcp_stateless::manager::ManagerBuilder;
use serde_json::json;

use crate::support::{Answer, Era, Post, Server};

fn add() -> Post {
    Post::call(Era::Legacy, "add", json!({"a": 1, "b": 2}))
}

async fn status(server: &Server, host: Option<&str>, origin: Option<&str>) -> u16 {
    let mut post = add().without("host");
    if let Some(host) = host {
        post = post.header("host", host);
    }
    if let Some(origin) = origin {
        post = post.header("origin", origin);
    }
    let answer = server.send(post).await;
    if answer.status != 200 {
        assert_eq!(answer.error(), (403, -32600));
    }
    answer.status.as_u16()
}

#[tokio::test]
async fn by_default_only_this_machine_may_call() {
    let server = Server::new();
    for host in ["localhost", "LocalHost:8000", "127.0.0.1:1", "[::1]:8000", "127.1.2.3"] {
        assert_eq!(status(&server, Some(host), None).await, 200, "{host}");
    }
    for host in [
        "evil.com",
        "localhost.evil.com",
        "127.0.0.1.nip.io",
        "localhost@evil.com",
        "",
        "[::2]",
        "localhost:x",
    ] {
        assert_eq!(status(&server, Some(host), None).await, 403, "{host}");
    }
    assert_eq!(status(&server, None, None).await, 403);
    for (origin, expected) in [
        ("http://localhost:8000", 200),
        ("http://localhost:6274", 200),
        ("https://127.0.0.1", 200),
        ("http://evil.com", 403),
        ("http://localhost.evil.com", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
        ("chrome-extension://abc", 403),
    ] {
        assert_eq!(status(&server, Some("localhost:8000"), Some(origin)).await, expected, "{origin}");
    }
}

#[tokio::test]
async fn an_allow_list_admits_its_hosts_and_their_own_pages() {
    let server = Server::with(|builder| builder.allowed_hosts(["mcp.example.com", "other.example.com:8443"]));
    for (host, origin, expected) in [
        ("mcp.example.com", None, 200),
        ("MCP.example.com:9000", None, 200),
        ("other.example.com:8443", None, 200),
        ("other.example.com", None, 403),
        ("localhost", None, 403),
        ("mcp.example.com", Some("https://mcp.example.com"), 200),
        ("mcp.example.com", Some("http://mcp.example.com:80"), 200),
        ("mcp.example.com:9000", Some("https://mcp.example.com:9000"), 200),
        ("mcp.example.com:9000", Some("https://mcp.example.com"), 403),
        ("mcp.example.com", Some("https://app.example.com"), 403),
        ("mcp.example.com", Some("http://localhost"), 403),
    ] {
        assert_eq!(status(&server, Some(host), origin).await, expected, "{host} {origin:?}");
    }
}

#[tokio::test]
async fn an_allowed_host_may_demand_that_its_pages_came_over_tls() {
    let server = Server::with(|builder| {
        builder.allowed_hosts([
            "https://mcp.example.com",
            "HTTPS://other.example.com:8443",
            "http://plain.example.com",
            "both.example.com",
            "both.example.com:1",
            "https://both.example.com:1",
        ])
    });
    for (host, origin, expected) in [
        // The proxy terminates TLS, and clients other than browsers send no origin.
        ("mcp.example.com", None, 200),
        ("mcp.example.com", Some("https://mcp.example.com"), 200),
        ("mcp.example.com", Some("HTTPS://MCP.example.com:443"), 200),
        ("mcp.example.com", Some("http://mcp.example.com"), 403),
        ("mcp.example.com", Some("http://mcp.example.com:80"), 403),
        ("mcp.example.com:443", Some("http://mcp.example.com:443"), 403),
        ("mcp.example.com:9000", Some("https://mcp.example.com:9000"), 200),
        ("other.example.com:8443", Some("https://other.example.com:8443"), 200),
        ("other.example.com:8443", Some("http://other.example.com:8443"), 403),
        ("other.example.com", None, 403),
        ("plain.example.com", Some("http://plain.example.com"), 200),
        ("plain.example.com", Some("https://plain.example.com"), 403),
        ("both.example.com", Some("http://both.example.com"), 200),
        ("both.example.com", Some("https://both.example.com"), 200),
        ("both.example.com:1", Some("http://both.example.com:1"), 200),
    ] {
        assert_eq!(status(&server, Some(host), origin).await, expected, "{host} {origin:?}");
    }
    // An origin that is allowed by name is compared verbatim.
    let server = Server::with(|builder| {
        builder.allowed_hosts(["https://mcp.example.com"]).allowed_origins(["http://mcp.example.com"])
    });
    assert_eq!(status(&server, Some("mcp.example.com"), Some("http://mcp.example.com")).await, 200);
}

#[tokio::test]
async fn a_default_port_may_be_left_out_by_clients() {
    let server = Server::with(|builder| {
        builder.allowed_hosts([
            "https://secure.example.com:443",
            "http://plain.example.com:80",
            "either.example.com:443",
            "https://odd.example.com:80",
        ])
    });
    for (host, origin, expected) in [
        ("secure.example.com", None, 200),
        ("secure.example.com", Some("https://secure.example.com"), 200),
        ("secure.example.com:443", Some("https://secure.example.com:443"), 200),
        ("secure.example.com", Some("http://secure.example.com"), 403),
        ("secure.example.com:80", None, 403),
        ("plain.example.com", Some("http://plain.example.com"), 200),
        ("plain.example.com:443", None, 403),
        ("either.example.com", Some("https://either.example.com"), 200),
        ("either.example.com:8443", None, 403),
        ("odd.example.com", None, 403),
        ("odd.example.com:80", None, 200),
    ] {
        assert_eq!(status(&server, Some(host), origin).await, expected, "{host} {origin:?}");
    }
}

#[tokio::test]
async fn origins_can_be_allowed_one_by_one_or_all() {
    let some = Server::with(|builder| {
        builder
            .allowed_hosts(["mcp.example.com"])
            .allowed_origins(["https://app.example.com", "vscode://ext"])
    });
    for (origin, expected) in [
        ("https://app.example.com", 200),
        ("https://APP.example.com", 200),
        ("vscode://ext", 200),
        ("https://mcp.example.com", 200),
        ("http://app.example.com", 403),
        ("https://app.example.com:443", 200),
        ("https://app.example.com:8443", 403),
        ("http://localhost:6274", 403),
    ] {
        assert_eq!(status(&some, Some("mcp.example.com"), Some(origin)).await, expected, "{origin}");
    }
    // One more origin does not exclude the others.
    let local = Server::with(|builder| builder.allowed_origins(["https://app.example.com:443"]));
    for origin in ["https://app.example.com", "http://localhost:6274"] {
        assert_eq!(status(&local, Some("localhost"), Some(origin)).await, 200, "{origin}");
    }
    let any_host = Server::with(ManagerBuilder::any_host);
    assert_eq!(status(&any_host, Some("whatever.example.com"), None).await, 200);
    assert_eq!(status(&any_host, None, None).await, 200);
    for odd in ["", "a~b", "ü"] {
        assert_eq!(status(&any_host, Some(odd), None).await, 200, "{odd}");
    }
    let repeated = add().line("host", "localhost");
    assert_eq!(any_host.send(repeated).await.status, 200);
    assert_eq!(status(&any_host, Some("a.example.com"), Some("https://b.example.com")).await, 403);
    let any = Server::with(|builder| builder.any_host().any_origin());
    assert_eq!(status(&any, None, Some("null")).await, 200);
}

#[tokio::test]
async fn the_authority_of_http_2_counts_as_the_host() {
    let server = Server::new();
    for (uri, host, expected) in [
        ("http://localhost:8000/mcp", None, 200),
        ("http://evil.com/mcp", None, 403),
        ("http://evil.com/mcp", Some("localhost"), 403),
        ("http://localhost/mcp", Some("evil.com"), 403),
    ] {
        let mut post = add().without("host");
        if let Some(host) = host {
            post = post.header("host", host);
        }
        let mut request = post.into_request();
        *request.uri_mut() = uri.parse::<Uri>().expect("a URI");
        let answer = Answer::read(server.manager.handle(request, &server.tools).await).await;
        assert_eq!(answer.status, expected, "{uri} {host:?}");
    }
}

#[tokio::test]
async fn repeated_hosts_and_origins_are_refused() {
    let server = Server::new();
    assert_eq!(server.send(add().line("host", "localhost")).await.error(), (403, -32600));
    let post = add().header("origin", "http://localhost").line("origin", "http://evil.com");
    assert_eq!(server.send(post).await.error(), (403, -32600));
}

#[tokio::test]
async fn the_origin_is_judged_whatever_the_method() {
    let server = Server::new();
    for method in [Method::GET, Method::DELETE, Method::OPTIONS, Method::POST] {
        let post = add().method(method).header("origin", "https://evil.com");
        assert_eq!(server.send(post).await.error(), (403, -32600));
    }
}

#[tokio::test]
async fn a_refusal_names_the_setting_to_change() {
    let server = Server::new();
    let host = server.send(add().header("host", "mcp.example.com")).await.error_message();
    assert!(host.contains("mcp.example.com") && host.contains("allowed_hosts"), "{host}");
    let origin = server.send(add().header("origin", "https://evil.com")).await.error_message();
    assert!(origin.contains("https://evil.com") && origin.contains("allowed_origins"), "{origin}");
}

#[test]
fn hosts_and_origins_that_cannot_be_read_are_refused_when_the_manager_is_built() {
    let builder = || mcp_stateless::StatelessSessionManager::builder("test", "1");
    for (builder, named) in [
        (builder().allowed_hosts(["ftp://mcp.example.com"]), "ftp://mcp.example.com"),
        (builder().allowed_hosts(["https://mcp.example.com/"]), "https://mcp.example.com/"),
        (builder().allowed_hosts(["fine.example.com", "host:port"]), "host:port"),
        (builder().allowed_origins(["app.example.com"]), "app.example.com"),
        (builder().allowed_origins(["https://app.example.com/"]), "https://app.example.com/"),
        (builder().allowed_origins(["https://*.example.com"]), "https://*.example.com"),
        (builder().allowed_origins(["http://localhost:*"]), "http://localhost:*"),
    ] {
        let error = builder.build().expect_err(named).to_string();
        assert!(error.contains(named), "{error}");
    }
}

fn preflight(origin: &str) -> Request<()> {
    Request::builder()
        .method(Method::OPTIONS)
        .uri("/mcp")
        .header("host", "localhost:8000")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,mcp-method,mcp-param-region")
        .body(())
        .expect("a request")
}

#[tokio::test]
async fn a_preflight_is_answered_with_what_it_asks_for() {
    let cors = Server::new().manager.cors();
    let (head, ()) = preflight("http://localhost:6274").into_parts();
    let response = cors.preflight::<()>(&head).expect("a preflight");
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().expect("ASCII"));
    assert_eq!(response.status(), 204);
    assert_eq!(header("access-control-allow-origin"), Some("http://localhost:6274"));
    assert_eq!(header("access-control-allow-methods"), Some("POST"));
    assert_eq!(header("access-control-allow-headers"), Some("content-type,mcp-method,mcp-param-region"));
    assert_eq!(header("access-control-allow-credentials"), None);
    let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["origin", "access-control-request-headers"]);

    let (head, ()) = preflight("https://evil.com").into_parts();
    let response = cors.preflight::<()>(&head).expect("a preflight");
    assert_eq!(response.status(), 403);
    assert!(!response.headers().contains_key("access-control-allow-origin"));

    let (mut head, ()) = preflight("http://localhost:6274").into_parts();
    head.headers.insert("host", "evil.com".parse().expect("a value"));
    assert_eq!(cors.preflight::<()>(&head).expect("a preflight").status(), 403);

    let (mut head, ()) = preflight("http://localhost:6274").into_parts();
    head.headers.remove("access-control-request-method");
    assert!(cors.preflight::<()>(&head).is_none(), "not every OPTIONS is a preflight");
}

#[tokio::test]
async fn pages_may_read_every_reply_even_of_the_authentication_around_it() {
    let server = Server::new();
    // Authentication that refuses every request, and does not know CORS.
    let locked = tower_service_fn(|_: Request<http_body_util::Full<bytes::Bytes>>| {
        let mut response = http::Response::new(mcp_stateless::manager::Body::default());
        *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        response.headers_mut().insert("www-authenticate", "Bearer".parse().expect("a value"));
        response
    });
    let service = server.manager.cors().wrap(locked);
    let (head, ()) = preflight("http://localhost:6274").into_parts();
    let request = Request::from_parts(head, http_body_util::Full::default());
    let response = hyper::service::Service::call(&service, request).await.expect("infallible");
    assert_eq!(response.status(), 204, "before authentication");

    let request = add().header("origin", "http://localhost:6274").into_request();
    let response = hyper::service::Service::call(&service, request).await.expect("infallible");
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["access-control-allow-origin"], "http://localhost:6274");
    let exposed = response.headers()["access-control-expose-headers"].to_str().expect("ASCII");
    assert!(exposed.contains("www-authenticate"));

    let service = server.manager.cors().wrap(server.manager.service(server.tools.clone()));
    for (origin, status, granted) in [("http://localhost:6274", 200, true), ("https://evil.com", 403, false)]
    {
        let request = add().header("origin", origin).into_request();
        let response = hyper::service::Service::call(&service, request).await.expect("infallible");
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("access-control-allow-origin"), granted);
        assert_eq!(response.headers()["vary"], "origin");
    }
}

/// A hyper service from a function.
fn tower_service_fn<B, F>(
    respond: F,
) -> impl hyper::service::Service<
    Request<B>,
    Response = http::Response<mcp_stateless::manager::Body>,
    Error = std::convert::Infallible,
>
where
    B: http_body::Body,
    F: Fn(Request<B>) -> http::Response<mcp_stateless::manager::Body>,
{
    hyper::service::service_fn(move |request| std::future::ready(Ok(respond(request))))
}
