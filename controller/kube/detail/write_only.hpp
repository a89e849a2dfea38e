#pragma once
// The stream that cpprest writes a reply's body to. Of its types, hence only for the .cpp files of this room.

#include <cpprest/streams.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace rls::kube::detail {

/// A stream that is written to and never read: all that a reply's body needs. `take` gets each piece on the
/// library's thread. It must not fail: the library would then close the stream and wait for that on its only
/// thread, for ever. Who has had enough cancels the request and lets the rest pass.
class WriteOnly final : public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  using Take = std::function<void(std::string_view)>;
  explicit WriteOnly(Take take) : streambuf_state_manager(std::ios_base::out), take_(std::move(take)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
  std::size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override { return written_; }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return traits::eof(); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return traits::eof();
  }
  bool acquire(std::uint8_t*& pointer, std::size_t& count) override {
    pointer = nullptr;
    count = 0;
    return false;
  }
  void release(std::uint8_t*, std::size_t) override {}

 private:
  pplx::task<std::size_t> _putn(const std::uint8_t* pointer, std::size_t count) override {
    take_(std::string_view(reinterpret_cast<const char*>(pointer), count));
    written_ += static_cast<off_type>(count);
    return pplx::task_from_result(count);
  }
  pplx::task<int_type> _putc(std::uint8_t byte) override {
    take_(std::string_view(reinterpret_cast<const char*>(&byte), 1));
    return pplx::task_from_result<int_type>(byte);
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  std::uint8_t* _alloc(std::size_t) override { return nullptr; }
  void _commit(std::size_t) override {}

  // Reading: never.
  pplx::task<int_type> _bumpc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  pplx::task<int_type> _ungetc() override { return pplx::task_from_result<int_type>(traits::eof()); }
  pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override {
    return pplx::task_from_result<std::size_t>(0);
  }
  std::size_t _sgetn(std::uint8_t*, std::size_t) { return 0; }
  std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }

  Take take_;
  off_type written_ = 0;
};

inline concurrency::streams::ostream write_only(WriteOnly::Take take) {
  return concurrency::streams::streambuf<std::uint8_t>(std::make_shared<WriteOnly>(std::move(take)))
      .create_ostream();
}

}  // namespace rls::kube::detail
