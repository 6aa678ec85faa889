// SPDX-License-Identifier: Apache-2.0
#include "http/certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/text.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <boost/asio/ssl/context.hpp>
#pragma GCC diagnostic pop

namespace clary::http {

namespace {

constexpr long kDay = 24 * 60 * 60;
constexpr long kAuthorityDays = 3650;
constexpr long kHostDays = 397;  // what clients accept at most
constexpr long kRenewAfterDays = 200;
constexpr std::size_t kMaxCached = 512;  // then all are dropped: a client must name 512 hosts of AWS to get there

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;

[[noreturn]] void fail(const std::string& what) {
  const char* reason = ERR_reason_error_string(ERR_get_error());
  throw Error(Kind::kInternal, what + (reason != nullptr ? std::string(": ") + reason : ""));
}

void require(bool good, const char* what) {
  if (!good) fail(what);
}

// P-256 is accepted by every current TLS client, and signing takes a fraction of RSA's time.
Key new_key() {
  Key key(EVP_EC_gen("P-256"));
  require(key != nullptr, "make a P-256 key");
  return key;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(n)};
}

std::string to_pem(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "write a key as PEM");
  return text_of(bio.get());
}

std::string to_pem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(bio.get(), certificate) == 1, "write a certificate as PEM");
  return text_of(bio.get());
}

// X509V3_EXT_conf_nid() computes key identifiers from the issuer and the subject, which therefore must have their keys
// already.
void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "add a certificate extension");
}

/// Version 3, random serial, valid from yesterday (clients' clocks may be behind); the caller adds extensions and
/// signature.
Certificate blank(EVP_PKEY* key, const std::string& common_name, const X509* issuer, long days) {
  Certificate made(X509_new());
  // 128 random bits: serials must be unique for an issuer, and no counter has to survive a restart.
  require(made != nullptr, "make a certificate");
  unsigned char serial[16];
  require(RAND_bytes(serial, sizeof serial) == 1, "random serial");
  serial[0] &= 0x7F;  // RFC 5280: positive
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(made.get()));
  BN_free(number);
  X509_set_version(made.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), days * kDay);
  X509_set_pubkey(made.get(), key);
  X509_NAME* name = X509_get_subject_name(made.get());
  // RFC 5280: at most 64 bytes; clients read the host from the SubjectAltName, not from here
  const std::string shown = common_name.substr(0, 64);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(shown.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(made.get(), issuer != nullptr ? X509_get_subject_name(issuer) : name);
  return made;
}

Certificate new_authority(EVP_PKEY* key, const std::string& name, const std::vector<std::string>& domains) {
  Certificate made = blank(key, name, nullptr, kAuthorityDays);
  // pathlen:0: this authority signs hosts, never another authority.
  add_extension(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(made.get(), made.get(), NID_subject_key_identifier, "hash");
  // Name constraints (RFC 5280 section 4.2.1.10): a client that trusts this authority trusts it for these domains
  // only, so that a stolen key cannot impersonate another host.
  std::string permitted;
  for (const std::string& domain : domains) permitted.append(",permitted;DNS:").append(domain);
  if (!permitted.empty()) add_extension(made.get(), made.get(), NID_name_constraints, "critical" + permitted);
  require(X509_sign(made.get(), key, EVP_sha256()) > 0, "sign the authority's certificate");
  return made;
}

Certificate new_host(EVP_PKEY* key, X509* authority, EVP_PKEY* authority_key, const std::string& host) {
  Certificate made = blank(key, host, authority, kHostDays);
  add_extension(made.get(), authority, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(made.get(), authority, NID_key_usage, "critical,digitalSignature");
  // serverAuth: the certificate is no client certificate and signs no code.
  add_extension(made.get(), authority, NID_ext_key_usage, "serverAuth");
  add_extension(made.get(), authority, NID_authority_key_identifier, "keyid");
  add_extension(made.get(), authority, NID_subject_alt_name, "DNS:" + host);
  require(X509_sign(made.get(), authority_key, EVP_sha256()) > 0, "sign a host certificate");
  return made;
}

}  // namespace

// Also a guard for what follows: the name goes into an extension's text, where ',' and ':' would begin another value.
bool is_host_name(std::string_view host) noexcept {
  if (host.empty() || host.size() > 253) return false;
  std::size_t label = 0;
  for (std::size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    if (c == '.') {
      if (label == 0 || host[i - 1] == '-') return false;
      label = 0;
      continue;
    }
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && (c != '-' || label == 0)) return false;
    if (++label > 63) return false;
  }
  return label > 0 && host.back() != '-';
}

struct CertificateAuthority::State {
  Key key;
  Certificate certificate;
  Key host_key = new_key();  // one for all hosts: they are all this server
  std::string host_key_pem = to_pem(host_key.get());
  struct Cached {
    std::shared_ptr<asio::ssl::context> context;
    std::time_t made;
  };
  Mutex mutex;
  std::map<std::string, Cached, std::less<>> cached GUARDED_BY(mutex);
};

CertificateAuthority::CertificateAuthority() : state_(std::make_unique<State>()) {}
CertificateAuthority::~CertificateAuthority() = default;

std::shared_ptr<CertificateAuthority> CertificateAuthority::open(const std::filesystem::path& folder,
                                                                 const std::string& name,
                                                                 const std::vector<std::string>& domains) {
  std::shared_ptr<CertificateAuthority> authority(new CertificateAuthority);
  State& state = *authority->state_;
  const auto key_file = folder / "ca.key", certificate_file = folder / "ca.pem";
  authority->certificate_file_ = certificate_file;
  // If either is missing both are made anew; a pair that does not belong together is an error below, never replaced
  // silently, because clients are configured to trust it.
  if (!std::filesystem::exists(key_file) || !std::filesystem::exists(certificate_file)) {
    std::filesystem::create_directories(folder);
    state.key = new_key();
    state.certificate = new_authority(state.key.get(), name, domains);
    // The key first: a crash in between leaves a key without a certificate, and both are made anew at the next start.
    write_file_durably(key_file, to_pem(state.key.get()), 0600);
    write_file_durably(certificate_file, to_pem(state.certificate.get()), 0644);
    return authority;
  }
  const std::string key_pem = read_file(key_file, 1 << 20), certificate_pem = read_file(certificate_file, 1 << 20);
  const Bio key_bio(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  const Bio certificate_bio(BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
  state.key.reset(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (!state.key) throw Error(Kind::kMalformed, key_file.string() + ": is not a private key in PEM form");
  state.certificate.reset(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
  if (!state.certificate)
    throw Error(Kind::kMalformed, certificate_file.string() + ": is not a certificate in PEM form");
  if (X509_check_private_key(state.certificate.get(), state.key.get()) != 1)
    throw Error(Kind::kMalformed, certificate_file.string() + ": does not belong to " + key_file.string());
  return authority;
}

// Any I/O thread. The context is shared by the connections of a host; it may be replaced in the cache while they use
// it.
std::shared_ptr<asio::ssl::context> CertificateAuthority::context_for(std::string_view raw) {
  if (!is_host_name(raw)) throw Error(Kind::kInvalid, "\"" + std::string(raw.substr(0, 256)) + "\" is not a host name");
  const std::string host = lower(raw);
  const std::time_t now = std::time(nullptr);
  State& state = *state_;
  // Held while a certificate is signed, a fraction of a millisecond: two connections to one host then make one.
  const MutexLock lock(state.mutex);
  const auto hit = state.cached.find(host);
  if (hit != state.cached.end() && now - hit->second.made < kRenewAfterDays * kDay) return hit->second.context;
  const Certificate certificate = new_host(state.host_key.get(), state.certificate.get(), state.key.get(), host);
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  // CRIME (CVE-2012-4929): compression leaks secrets.
  context->set_options(asio::ssl::context::no_compression);
  const std::string chain = to_pem(certificate.get()) + to_pem(state.certificate.get());
  context->use_certificate_chain(asio::buffer(chain));
  context->use_private_key(asio::buffer(state.host_key_pem), asio::ssl::context::pem);
  // Bounds the memory; contexts in use live on in their connections.
  if (state.cached.size() >= kMaxCached) state.cached.clear();
  state.cached.insert_or_assign(host, State::Cached{context, now});
  return context;
}

}  // namespace clary::http
