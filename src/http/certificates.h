// SPDX-License-Identifier: Apache-2.0
// A certificate authority of the server's own, for ending TLS inside CONNECT: made at first start in a folder (ca.pem,
// ca.key mode 0600), restricted by name constraints to the domains it is for, signing host certificates on the fly.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/asio.h"

namespace clary::http {

class CertificateAuthority {
 public:
  /// Loads the authority of that folder, or makes it. @throws Error naming the file that can't be used
  /// @param domains  permitted domains ("example.com" permits itself and everything below)
  static std::shared_ptr<CertificateAuthority> open(const std::filesystem::path& folder, const std::string& name,
                                                    const std::vector<std::string>& domains);
  ~CertificateAuthority();

  /// A server context whose certificate is for `host`; cached. Thread-safe. @throws Error{kInvalid} for no host name
  std::shared_ptr<asio::ssl::context> context_for(std::string_view host);

  const std::filesystem::path& certificate_file() const noexcept { return certificate_file_; }

  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

 private:
  struct State;
  CertificateAuthority();
  std::unique_ptr<State> state_;
  std::filesystem::path certificate_file_;
};

/// True for names of DNS form: labels of letters, digits and inner hyphens, at most 253 bytes.
bool is_host_name(std::string_view host) noexcept;

}  // namespace clary::http
