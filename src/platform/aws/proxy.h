// SPDX-License-Identifier: Apache-2.0
// Proxy mode: CONNECT to AWS's host names ends here, everything else is refused. An open proxy this is not.
#pragma once

#include <memory>

#include "http/certificates.h"
#include "http/server.h"

namespace clary::aws {

/// The authority in `folder` (DIR/ca), restricted to AWS's domains.
std::shared_ptr<http::CertificateAuthority> open_authority(const std::filesystem::path& folder);

/// True for *.amazonaws.com and *.amazonaws.com.cn.
bool is_aws_host(std::string_view host) noexcept;

/// For http::ServerOptions::tunnel.
http::TunnelPolicy aws_tunnel(std::shared_ptr<http::CertificateAuthority> authority);

}  // namespace clary::aws
