# A toolchain without a compiler: project(ProSeg) asks for C and C++ as Slicer's extensions do, but nothing of
# this extension is compiled, so a program that is surely there stands for the compilers and is never run.
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER ${CMAKE_COMMAND})
  set(CMAKE_${language}_COMPILER_FORCED TRUE)
  set(CMAKE_${language}_COMPILER_ID_RUN TRUE)
endforeach()
