// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/proxy.h"

#include "base/text.h"

namespace clary::aws {

constexpr std::uint16_t kHttps = 443;

std::shared_ptr<http::CertificateAuthority> open_authority(const std::filesystem::path& folder) {
  return http::CertificateAuthority::open(folder, "Clary local authority for AWS host names",
                                          {"amazonaws.com", "amazonaws.com.cn"});
}

// A leading dot in the suffixes: "evilamazonaws.com" is not AWS's.
bool is_aws_host(std::string_view host) noexcept {
  return http::is_host_name(host) && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"));
}

http::TunnelPolicy aws_tunnel(std::shared_ptr<http::CertificateAuthority> authority) {
  return [authority = std::move(authority)](std::string_view host,
                                            std::uint16_t port) -> std::shared_ptr<http::asio::ssl::context> {
    // Only AWS's hosts: the server is no open proxy.
    if (port != kHttps || !is_aws_host(lower(host))) return nullptr;
    return authority->context_for(host);
  };
}

}  // namespace clary::aws
