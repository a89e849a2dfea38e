# Makes a .cpp out of manifests/admission/*.yaml: what the cluster must have for approvals to be trusted.
# cmake -DOUT=file.cpp -DPOLICIES=a.yaml;b.yaml -P embed_admission.cmake
set(text "// Made by embed_admission.cmake from manifests/admission/.\n#include \"controller/reconcile/shipped_admission.hpp\"\n\n")
string(APPEND text "namespace rls::reconcile {\n")
foreach(file IN LISTS POLICIES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} content)
  string(APPEND text "const std::string_view shipped_${name} = R\"~yaml~(${content})~yaml~\";\n")
endforeach()
string(APPEND text "}  // namespace rls::reconcile\n")
file(WRITE ${OUT} "${text}")
