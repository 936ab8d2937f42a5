use muisti_testkit::{Receiver, Reply};

use super::*;

const SOON: Duration = Duration::from_secs(5);

async fn get(outbound: &Outbound, url: &str, most: usize) -> Result<Fetched, OutboundError> {
    outbound.get(url, "*/*", most, SOON).await
}

fn refused<T: std::fmt::Debug>(result: Result<T, OutboundError>) -> String {
    match result {
        Err(OutboundError::Refused(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn only_addresses_of_the_web_are_taken() {
    let outbound = Outbound::new(true);
    for url in ["file:///etc/passwd", "ftp://example.com/a", "gopher://example.com", "javascript:alert(1)"] {
        assert!(refused(outbound.check(url)).contains("http:// or https://"), "{url}");
    }
    for url in ["", "/etc/passwd", "http://", "example.com", "http://[::1"] {
        assert!(refused(outbound.check(url)).contains("not an address"), "{url}");
    }
    assert!(refused(outbound.check(&format!("http://example.com/{}", "a".repeat(3000)))).contains("2048"));
}

#[test]
fn other_spellings_of_a_private_address_are_seen_through() {
    let outbound = Outbound::new(false);
    for host in ["127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "[::FFFF:7F00:1]", "LOCALHOST"] {
        let why = refused(outbound.check(&format!("http://{host}:8283/v1/agents/")));
        assert!(why.contains("not a public address"), "{host}: {why}");
    }
    assert!(outbound.check("https://user:word@example.com:8443/hook?a=b").is_ok());
}

#[tokio::test]
async fn what_may_not_be_asked_is_not_asked() {
    let receiver = Receiver::start();
    let outbound = Outbound::new(false);
    refused(get(&outbound, &receiver.url("/"), 10).await);
    refused(outbound.post(&receiver.url("/"), Vec::new(), None, SOON).await);
    // A public name may lead here too.
    let named = receiver.url("/").replace("127.0.0.1", "ip6-localhost");
    assert!(get(&outbound, &named, 10).await.is_err());
    assert!(receiver.requests().is_empty());
}

#[tokio::test]
async fn redirects_are_followed_and_each_is_checked() {
    let receiver = Receiver::start();
    let outbound = Outbound::new(true);
    receiver.push(Reply::redirect("/there"));
    receiver.push(Reply::body("Text/Plain; charset=utf-8", "found"));
    let found = get(&outbound, &receiver.url("/here"), 10).await.unwrap();
    assert_eq!(found, Fetched { media_type: Some("text/plain".to_owned()), body: b"found".to_vec() });
    let paths: Vec<String> = receiver.requests().iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/here", "/there"]);

    receiver.push(Reply::redirect("http://169.254.169.254/latest/meta-data/"));
    refused(get(&outbound, &receiver.url("/"), 10).await);
    receiver.push(Reply::redirect("file:///etc/passwd"));
    refused(get(&outbound, &receiver.url("/"), 10).await);
    receiver.always(Reply::redirect("/again"));
    let error = get(&outbound, &receiver.url("/"), 10).await.unwrap_err();
    assert_eq!(error.to_string(), "the server redirects more than 5 times");
}

#[tokio::test]
async fn answers_have_limits_of_size_and_time() {
    let receiver = Receiver::start();
    let outbound = Outbound::new(true);
    receiver.push(Reply::body("text/plain", "12345"));
    assert_eq!(get(&outbound, &receiver.url("/"), 5).await.unwrap().body, b"12345");
    receiver.push(Reply::body("text/plain", "123456"));
    assert_eq!(
        get(&outbound, &receiver.url("/"), 5).await.unwrap_err().to_string(),
        "the answer has more than 5 bytes"
    );
    receiver.push(Reply::body("text/plain", "123456").chunked());
    assert_eq!(
        get(&outbound, &receiver.url("/"), 5).await.unwrap_err().to_string(),
        "the answer has more than 5 bytes"
    );
    receiver.push(Reply::status(404));
    assert!(get(&outbound, &receiver.url("/"), 5).await.unwrap_err().to_string().contains("404"));
    receiver.push(Reply::status(200).after(Duration::from_secs(60)));
    let limit = Duration::from_millis(50);
    let error = outbound.get(&receiver.url("/"), "*/*", 5, limit).await.unwrap_err();
    assert_eq!(error, OutboundError::Timeout(limit));
}

#[tokio::test]
async fn a_post_is_json_and_any_status_is_its_outcome() {
    let receiver = Receiver::start();
    let outbound = Outbound::new(true);
    for status in [200, 302, 404, 503] {
        receiver.push(Reply::status(status));
        let answer = outbound.post(&receiver.url("/hook"), b"{\"a\":1}".to_vec(), Some("key"), SOON).await;
        assert_eq!(answer, Ok(status));
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(requests[0].header("authorization"), Some("Bearer key"));
    assert_eq!(requests[0].body["a"], 1);
    let closed = receiver.url("/");
    drop(receiver);
    assert!(matches!(outbound.post(&closed, Vec::new(), None, SOON).await, Err(OutboundError::Failed(_))));
}
