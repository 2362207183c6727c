// Digest.swift — the cryptography that SCRAM-SHA-256 needs, from OpenSSL. Nothing is computed at home.

internal import Bytes
internal import COpenSSL

enum Digest {
  /// Bytes of a SHA-256.
  static let count = 32

  static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: count)
    var length: UInt32 = 0
    let code = EVP_Digest(bytes, bytes.count, &out, &length, EVP_sha256(), nil)
    invariant(code == 1 && length == count, "SHA-256 failed")
    return out
  }
  static func hmac(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: count)
    var length: UInt32 = 0
    let result = HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &out, &length)
    invariant(result != nil && length == count, "HMAC-SHA-256 failed")
    return out
  }
  /// PBKDF2 with HMAC-SHA-256, one block long.
  static func stretch(password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: count)
    let code = password.withUnsafeBytes { password in
      PKCS5_PBKDF2_HMAC(
        password.baseAddress?.assumingMemoryBound(to: CChar.self),
        Int32(password.count),
        salt,
        Int32(salt.count),
        Int32(clamping: iterations),
        EVP_sha256(),
        Int32(count),
        &out
      )
    }
    invariant(code == 1, "PBKDF2 failed")
    return out
  }
  /// Compares in a time that depends on the lengths only.
  static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.count == b.count && CRYPTO_memcmp(a, b, a.count) == 0 }
}
