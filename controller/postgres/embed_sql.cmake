# Makes one .cpp out of sql/*.sql: each file becomes a constant of its name, declared in sql.hpp.
# cmake -DOUT=file.cpp -DSQL=a.sql;b.sql -P embed_sql.cmake
set(text "// Made by embed_sql.cmake from controller/postgres/sql/.\n#include \"controller/postgres/sql.hpp\"\n\n")
string(APPEND text "namespace rls::postgres::sql {\n")
foreach(file IN LISTS SQL)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} content)
  string(APPEND text "const std::string_view ${name} = R\"~sql~(${content})~sql~\";\n")
endforeach()
string(APPEND text "}  // namespace rls::postgres::sql\n")
file(WRITE ${OUT} "${text}")
