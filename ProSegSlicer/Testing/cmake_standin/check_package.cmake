# What Slicer packs beside the module.
foreach(standin_file README.md LICENSE.txt)
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${standin_file})
    message(FATAL_ERROR "${standin_file} is missing beside the extension's CMakeLists.txt")
  endif()
endforeach()
