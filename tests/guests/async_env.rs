//! Looks around by the interfaces of WASI 0.3: `{"vars", "args", "folders", "random", "tcp", "udp", "names"}`; the last three are the errors
//! of what was tried, or null.
use modelet_test_guests::service;
use modelet_test_guests::service::bindings::wasi::http::types::{ErrorCode, Request, Response};
use modelet_test_guests::service::text;
use ports::wasi::cli::environment::{get_arguments, get_environment};
use ports::wasi::filesystem::preopens::get_directories;
use ports::wasi::random::random::get_random_bytes;
use ports::wasi::sockets::ip_name_lookup::resolve_addresses;
use ports::wasi::sockets::types::{IpAddressFamily, TcpSocket, UdpSocket};
use serde_json::json;

service!(look);

mod ports {
    #![allow(unsafe_code, unreachable_pub, reason = "generated")]

    wit_bindgen::generate!({
        inline: "
            package modelet:test@1.0.0;
            world ports {
                import wasi:cli/environment@0.3.0;
                import wasi:filesystem/preopens@0.3.0;
                import wasi:random/random@0.3.0;
                import wasi:sockets/types@0.3.0;
                import wasi:sockets/ip-name-lookup@0.3.0;
            }
        ",
        path: [
            "../../wit/deps/wasi-clocks@0.3.0",
            "../../wit/deps/wasi-filesystem@0.3.0",
            "../../wit/deps/wasi-sockets@0.3.0",
            "../../wit/deps/wasi-random@0.3.0",
            "../../wit/deps/wasi-cli@0.3.0",
        ],
        world: "modelet:test/ports",
        generate_all,
    });
}

async fn look(_: Request) -> Result<Response, ErrorCode> {
    let family = IpAddressFamily::Ipv4;
    let report = json!({
        "vars": get_environment().len(),
        "args": get_arguments().len(),
        "folders": get_directories().len(),
        "random": get_random_bytes(1 << 40).len(),
        "tcp": TcpSocket::create(family).err().map(|error| format!("{error:?}")),
        "udp": UdpSocket::create(family).err().map(|error| format!("{error:?}")),
        "names": resolve_addresses("localhost".to_owned()).await.err().map(|error| format!("{error:?}")),
    });
    Ok(text(report.to_string()))
}
